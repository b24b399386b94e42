//! Credit of customers: seen, applied to invoices, paid back.

use chrono::{Days, NaiveDate};
use contracts::events::{CreditApplied, RefundMade, RefundReversed};
use contracts::ids::{CreditNoteId, InvoiceId, PaymentId, RefundId};
use contracts::sales::CustomerInfo;
use kernel::events::EventData;
use serde_json::{Value, json};

use crate::tests::documents::{customer, incoming, outgoing, purchase_order, shipment};
use crate::tests::support::{Books, count_statements, eur, id, read, refused, today};

fn ago(days: u64) -> NaiveDate {
    today() - Days::new(days)
}

async fn invoice(books: &Books, customer: &CustomerInfo, amount: &str, days_ago: u64) -> Value {
    let draft = books.drafted(&shipment(customer, &[("1", amount, "zero")])).await;
    books.issue(id(&draft), json!({ "issued_on": ago(days_ago) })).await.expect("issued")
}

fn of(invoice: &Value, amount: &str) -> Value {
    json!({ "invoice_id": invoice["id"], "amount": eur(amount) })
}

/// A credit note of a day over `amount` that was paid already.
async fn credited(books: &Books, customer: &CustomerInfo, amount: &str, days_ago: u64) -> Value {
    let paid = invoice(books, customer, amount, days_ago).await;
    let mut body = incoming(customer, amount, json!([of(&paid, amount)]));
    body["received_on"] = json!(ago(days_ago));
    books.pay(body).await.expect("paid");
    let note = json!({ "reason": "all of it came back", "issued_on": ago(days_ago) });
    books.credit(id(&paid), note).await.expect("credited")
}

/// What is listed as (number, left), newest first.
async fn listed(books: &Books, customer: &CustomerInfo) -> Vec<(Value, Value)> {
    let query = read(json!({ "customer_id": customer.id }));
    let page = json!(books.service.list_credits(query).await.expect("a page"));
    let rows = page["data"].as_array().expect("credits");
    rows.iter().map(|row| (row["number"].clone(), row["left"].clone())).collect()
}

async fn credit_of(books: &Books, note: &Value) -> Value {
    json!(books.service.credit_note_credit(id(note)).await.expect("the credit"))
}

fn refund_of(field: &str, source: &Value, amount: &str) -> Value {
    json!({
        field: source["id"], "amount": eur(amount), "method": "bank_transfer",
        "reason": "asked for it"
    })
}

#[tokio::test]
async fn a_credit_note_settles_other_invoices_as_far_as_it_goes() {
    let books = Books::open().await;
    let customer = customer();
    let note = credited(&books, &customer, "100.00", 0).await;
    let first = invoice(&books, &customer, "60.00", 0).await;
    let second = invoice(&books, &customer, "90.00", 0).await;
    let owed = books.balance("1100").await;
    assert_eq!(listed(&books, &customer).await, [(note["number"].clone(), eur("100.00"))]);
    assert_eq!(credit_of(&books, &note).await["left"], eur("100.00"));

    let allocations = json!([of(&first, "60.00"), of(&second, "15.00")]);
    let credit = books.use_credit(id(&note), allocations).await.expect("applied");
    assert_eq!((&credit["applied"], &credit["left"]), (&eur("75.00"), &eur("25.00")));
    assert_eq!(credit["allocations"].as_array().expect("allocations").len(), 2);
    assert_eq!(credit_of(&books, &note).await, credit);
    let settled = books.invoice(id(&first)).await;
    assert_eq!((&settled["status"], &settled["applied"]), (&json!("settled"), &eur("60.00")));
    assert_eq!(books.invoice(id(&second)).await["open"], eur("75.00"));
    // It was on the account of receivables all the time.
    assert_eq!(books.balance("1100").await, owed);
    let told = books.published(CreditApplied::TYPE).await;
    let told: Vec<_> = told.iter().map(|e| (&e["order_id"], &e["invoice_open"])).collect();
    let expected = [(&first["order_id"], &eur("0.00")), (&second["order_id"], &eur("75.00"))];
    assert_eq!(told, expected);
    books.assert_laws().await;

    let again = books.use_credit(id(&note), json!([of(&second, "25.00")])).await;
    assert_eq!(again.expect("applied")["left"], eur("0.00"));
    assert_eq!(listed(&books, &customer).await, []);
    // A payment for the same invoice is taken back, and the credit is not.
    let paid = incoming(&customer, "50.00", json!([of(&second, "50.00")]));
    let paid = books.pay(paid).await.expect("paid");
    assert_eq!(books.invoice(id(&second)).await["status"], "settled");
    books.reverse(id(&paid), json!({ "reason": "it bounced" })).await.expect("reversed");
    assert_eq!(books.invoice(id(&second)).await["open"], eur("50.00"));
    books.assert_laws().await;
}

#[tokio::test]
async fn credit_beyond_what_is_open_or_left_is_refused() {
    let books = Books::open().await;
    let customer = customer();
    let note = credited(&books, &customer, "100.00", 0).await;
    let owed = invoice(&books, &customer, "80.00", 0).await;
    let draft = books.drafted(&shipment(&customer, &[("1", "10.00", "zero")])).await;
    let other = invoice(&books, &crate::tests::documents::customer(), "10.00", 0).await;
    let check = async |allocations: Value, status, code| {
        refused(books.use_credit(id(&note), allocations).await, status, code);
    };
    check(json!([of(&owed, "80.01")]), 409, "over_allocated").await;
    check(json!([of(&owed, "100.01")]), 409, "credit_exhausted").await;
    check(json!([of(&owed, "80.00"), of(&other, "20.01")]), 409, "credit_exhausted").await;
    check(json!([of(&other, "10.00")]), 422, "other_party").await;
    check(json!([of(&draft, "10.00")]), 409, "document_not_open").await;
    check(json!([of(&owed, "0.00")]), 422, "amount_not_positive").await;
    check(json!([of(&owed, "-1.00")]), 422, "amount_not_positive").await;
    check(json!([of(&owed, "1.00"), of(&owed, "1.00")]), 422, "duplicate_allocation").await;
    check(json!([]), 422, "no_lines").await;
    check(json!(vec![of(&owed, "1.00"); 5001]), 422, "too_many_lines").await;
    check(of_each(json!({ "id": InvoiceId::new() }), "1.00"), 422, "unknown_invoice").await;
    let dollars = json!({ "amount": "1.00", "currency": "USD" });
    let dollars = json!([{ "invoice_id": owed["id"], "amount": dollars }]);
    check(dollars, 422, "currency_not_supported").await;
    let huge = of_each(json!({ "id": InvoiceId::new() }), "9999999999999.99");
    check(huge, 409, "credit_exhausted").await;
    let unknown = books.use_credit(CreditNoteId::new(), json!([of(&owed, "1.00")])).await;
    refused(unknown, 404, "not_found");
    // A note for what nobody has paid leaves nothing.
    let unpaid = invoice(&books, &customer, "5.00", 0).await;
    let none = books.credit(id(&unpaid), json!({ "reason": "a mistake" })).await.expect("credited");
    let none = books.use_credit(id(&none), json!([of(&owed, "0.01")])).await;
    refused(none, 409, "credit_exhausted");
    assert_eq!(listed(&books, &customer).await, [(note["number"].clone(), eur("100.00"))]);
    books.assert_laws().await;
}

fn of_each(invoice: Value, amount: &str) -> Value {
    json!([of(&invoice, amount)])
}

#[tokio::test]
async fn what_is_left_of_a_payment_or_a_note_is_paid_back() {
    let books = Books::open().await;
    let customer = customer();
    let note = credited(&books, &customer, "100.00", 0).await;
    let owed = invoice(&books, &customer, "30.00", 0).await;
    let paid = incoming(&customer, "50.00", json!([of(&owed, "30.00")]));
    let paid = books.pay(paid).await.expect("paid");
    let both = [(paid["number"].clone(), eur("20.00")), (note["number"].clone(), eur("100.00"))];
    assert_eq!(listed(&books, &customer).await, both);
    assert_eq!((books.balance("1000").await, books.balance("1100").await), (15000, -12000));

    let made = books.refund(refund_of("payment_id", &paid, "5.00")).await.expect("refunded");
    assert!(made["number"].as_str().expect("a number").starts_with("RF-"), "{made}");
    let posted = books.posted(id::<()>(&made).uuid()).await;
    assert_eq!(posted, [("1100".to_owned(), 500), ("1000".to_owned(), -500)]);
    let seen = books.payment(id(&paid)).await;
    assert_eq!((&seen["refunded"], &seen["unapplied"]), (&eur("5.00"), &eur("15.00")));
    assert_eq!(seen["allowed_actions"], json!(["allocate"]));
    books.refund(refund_of("credit_note_id", &note, "100.00")).await.expect("refunded");
    assert_eq!(credit_of(&books, &note).await["refunded"], eur("100.00"));
    assert_eq!(listed(&books, &customer).await, [(paid["number"].clone(), eur("15.00"))]);
    assert_eq!((books.balance("1000").await, books.balance("1100").await), (4500, -1500));
    let told = books.published(RefundMade::TYPE).await;
    assert_eq!((told.len(), &told[1]["amount"]), (2, &eur("100.00")));
    // What a payment left is of no order.
    assert_eq!(told[0].get("orders"), None);
    let of_order = json!([{ "order_id": note["order_id"], "amount": eur("100.00") }]);
    assert_eq!(told[1]["orders"], of_order);
    let found = json!(books.service.refund(id(&made)).await.expect("the refund"));
    assert_eq!(found, made);
    let query = read(json!({ "customer_id": customer.id }));
    assert_eq!(books.service.list_refunds(query).await.expect("a page").data.len(), 2);
    books.assert_laws().await;

    // What went back is not used otherwise, and its payment not taken back.
    let reversal = books.reverse(id(&paid), json!({ "reason": "it bounced" })).await;
    refused(reversal, 409, "payment_refunded");
    let more =
        json!({ "allocations": [of(&invoice(&books, &customer, "20.00", 0).await, "15.01")] });
    refused(books.allocate(id(&paid), more).await, 409, "payment_exhausted");
    let check = async |body: Value, status, code| refused(books.refund(body).await, status, code);
    check(refund_of("payment_id", &paid, "15.01"), 409, "credit_exhausted").await;
    check(refund_of("credit_note_id", &note, "0.01"), 409, "credit_exhausted").await;
    books.assert_laws().await;
}

#[tokio::test]
async fn a_refund_that_did_not_arrive_is_credit_again() {
    let books = Books::open().await;
    let customer = customer();
    let note = credited(&books, &customer, "100.00", 0).await;
    let paid = books.pay(incoming(&customer, "20.00", json!([]))).await.expect("paid");
    let of_note = books.refund(refund_of("credit_note_id", &note, "60.00")).await;
    let of_note = of_note.expect("refunded");
    let kept = books.refund(refund_of("credit_note_id", &note, "40.00")).await.expect("refunded");
    let of_payment = books.refund(refund_of("payment_id", &paid, "20.00")).await;
    let of_payment = of_payment.expect("refunded");
    assert_eq!(of_note["allowed_actions"], json!(["reverse"]));
    assert_eq!(listed(&books, &customer).await, []);
    let lost = || json!({ "reason": "the account was closed" });

    let reversed = books.reverse_refund(id(&of_note), lost()).await.expect("reversed");
    assert_eq!(reversed["reversed_on"], json!(today()));
    assert_eq!(reversed["reversal_reason"], "the account was closed");
    assert_eq!(reversed["allowed_actions"], json!([]));
    assert_eq!(json!(books.service.refund(id(&of_note)).await.expect("it")), reversed);
    assert_eq!((books.balance("1000").await, books.balance("1100").await), (6000, -6000));
    assert_eq!(listed(&books, &customer).await, [(note["number"].clone(), eur("60.00"))]);
    assert_eq!(credit_of(&books, &note).await["refunded"], eur("40.00"));
    let told = books.published(RefundReversed::TYPE).await;
    let of_order = json!([{ "order_id": note["order_id"], "amount": eur("60.00") }]);
    assert_eq!((&told[0]["amount"], &told[0]["orders"]), (&eur("60.00"), &of_order));
    books.assert_laws().await;

    // A payment of which nothing is paid back any more may bounce.
    books.reverse_refund(id(&of_payment), lost()).await.expect("reversed");
    assert_eq!(books.published(RefundReversed::TYPE).await[1].get("orders"), None);
    let seen = books.payment(id(&paid)).await;
    assert_eq!((&seen["refunded"], &seen["unapplied"]), (&eur("0.00"), &eur("20.00")));
    assert_eq!(seen["allowed_actions"], json!(["allocate", "reverse"]));
    books.reverse(id(&paid), json!({ "reason": "it bounced" })).await.expect("reversed");
    books.assert_laws().await;

    // Once, and what is credit again is used as any other.
    refused(books.reverse_refund(id(&of_note), lost()).await, 409, "refund_reversed");
    let owed = invoice(&books, &customer, "50.00", 0).await;
    books.use_credit(id(&note), json!([of(&owed, "50.00")])).await.expect("applied");
    books.refund(refund_of("credit_note_id", &note, "10.00")).await.expect("refunded");
    let more = books.refund(refund_of("credit_note_id", &note, "0.01")).await;
    refused(more, 409, "credit_exhausted");
    let kept = async |body: Value| books.reverse_refund(id(&kept), body).await;
    let dated = |on: NaiveDate| json!({ "reason": "it came back", "reversed_on": on });
    refused(kept(dated(ago(1))).await, 422, "reversed_before_refunded");
    refused(kept(dated(today() + Days::new(1))).await, 422, "date_in_future");
    refused(books.reverse_refund(RefundId::new(), lost()).await, 404, "not_found");
    books.assert_laws().await;
}

#[tokio::test]
async fn a_refund_of_a_closed_day_is_reversed_on_an_open_one() {
    let books = Books::open().await;
    let customer = customer();
    let note = credited(&books, &customer, "100.00", 8).await;
    let mut body = refund_of("credit_note_id", &note, "70.00");
    body["refunded_on"] = json!(ago(6));
    let refund = books.refund(body).await.expect("refunded");
    books.close(ago(4), "soft").await.expect("closed");
    let dated = |on: NaiveDate| json!({ "reason": "it came back", "reversed_on": on });
    let early = books.reverse_refund(id(&refund), dated(ago(5))).await;
    refused(early, 422, "period_closed");
    books.reverse_refund(id(&refund), dated(ago(2))).await.expect("reversed");
    let check = async |days: u64, credit: &str| {
        let query = read(json!({ "as_of": ago(days) }));
        let totals = json!(books.service.receivables_ageing(query).await.expect("ageing").totals);
        assert_eq!(totals["credit"], eur(credit), "{days} days ago");
    };
    for (days, credit) in [(7, "100.00"), (6, "30.00"), (3, "30.00"), (2, "100.00"), (0, "100.00")]
    {
        check(days, credit).await;
    }
    books.assert_laws().await;
}

#[tokio::test]
async fn refunds_that_cannot_be_are_refused() {
    let books = Books::open().await;
    let customer = customer();
    let mut body = incoming(&customer, "50.00", json!([]));
    body["received_on"] = json!(ago(5));
    let paid = books.pay(body).await.expect("paid");
    let order = purchase_order(&[("1", "1.00")]);
    books.hear(&order).await;
    let sent = books.pay(outgoing(&order, "5.00", json!([]))).await.expect("sent");
    books.close(ago(4), "soft").await.expect("closed");
    let check = async |body: Value, status, code| refused(books.refund(body).await, status, code);
    let of_it = |amount: &str| refund_of("payment_id", &paid, amount);
    let dated = |on: NaiveDate| {
        let mut body = of_it("1.00");
        body["refunded_on"] = json!(on);
        body
    };
    check(of_it("0.00"), 422, "amount_not_positive").await;
    check(of_it("-1.00"), 422, "amount_not_positive").await;
    check(of_it("50.01"), 409, "credit_exhausted").await;
    check(dated(ago(6)), 422, "refunded_before_credit").await;
    check(dated(ago(4)), 422, "period_closed").await;
    check(dated(today() + Days::new(1)), 422, "date_in_future").await;
    // Our credit with a supplier is not a customer's.
    check(refund_of("payment_id", &sent, "1.00"), 422, "unknown_credit").await;
    let unknown = json!({ "id": PaymentId::new() });
    check(refund_of("payment_id", &unknown, "1.00"), 422, "unknown_credit").await;
    check(refund_of("credit_note_id", &unknown, "1.00"), 422, "unknown_credit").await;
    let mut both = of_it("1.00");
    both["credit_note_id"] = json!(CreditNoteId::new());
    check(both, 422, "wrong_source").await;
    let mut neither = of_it("1.00");
    neither["payment_id"] = Value::Null;
    check(neither, 422, "wrong_source").await;
    let mut dollars = of_it("1.00");
    dollars["amount"]["currency"] = json!("USD");
    check(dollars, 422, "currency_not_supported").await;
    refused(books.service.refund(RefundId::new()).await, 404, "not_found");
    let mut keyed = of_it("1.00");
    keyed["external_key"] = json!("bank:17");
    books.refund(keyed.clone()).await.expect("refunded");
    check(keyed, 409, "external_key_taken").await;
    let reversed = books.pay(incoming(&customer, "9.00", json!([]))).await.expect("paid");
    books.reverse(id(&reversed), json!({ "reason": "it bounced" })).await.expect("reversed");
    check(refund_of("payment_id", &reversed, "1.00"), 409, "payment_reversed").await;
    assert_eq!(listed(&books, &customer).await, [(paid["number"].clone(), eur("49.00"))]);
    books.assert_laws().await;
}

#[tokio::test]
async fn of_a_past_day_credit_is_what_it_was() {
    let books = Books::open().await;
    let customer = customer();
    let early = invoice(&books, &customer, "30.00", 9).await;
    let note = credited(&books, &customer, "100.00", 8).await;
    let late = invoice(&books, &customer, "20.00", 4).await;
    let allocations = json!([of(&early, "30.00"), of(&late, "20.00")]);
    books.use_credit(id(&note), allocations).await.expect("applied");
    let mut body = refund_of("credit_note_id", &note, "50.00");
    body["refunded_on"] = json!(ago(2));
    books.refund(body).await.expect("refunded");
    let check = async |days: u64, open: &str, credit: &str| {
        let query = read(json!({ "as_of": ago(days), "buckets": "60" }));
        let totals = json!(books.service.receivables_ageing(query).await.expect("ageing").totals);
        let shown = [&totals["buckets"][0]["amount"], &totals["credit"]];
        assert_eq!(shown, [&eur(open), &eur(credit)], "{days} days ago");
    };
    check(9, "30.00", "0.00").await;
    check(8, "0.00", "70.00").await;
    check(4, "0.00", "50.00").await;
    check(2, "0.00", "0.00").await;
    check(0, "0.00", "0.00").await;
    books.assert_laws().await;
}

#[tokio::test]
async fn credit_that_two_use_at_once_is_used_once() {
    let books = Books::open().await;
    let customer = customer();
    let note = credited(&books, &customer, "100.00", 0).await;
    let owed = invoice(&books, &customer, "80.00", 0).await;
    let use_it = || books.use_credit(id(&note), json!([of(&owed, "60.00")]));
    let (one, other) = tokio::join!(use_it(), use_it());
    let (done, refusal) = if one.is_ok() { (one, other) } else { (other, one) };
    done.expect("applied");
    refused(refusal, 409, "credit_exhausted");
    let back = || books.refund(refund_of("credit_note_id", &note, "30.00"));
    let (one, other) = tokio::join!(back(), back());
    let (done, refusal) = if one.is_ok() { (one, other) } else { (other, one) };
    done.expect("refunded");
    refused(refusal, 409, "credit_exhausted");
    assert_eq!(credit_of(&books, &note).await["left"], eur("10.00"));
    let refund = books.refund(refund_of("credit_note_id", &note, "10.00")).await;
    let refund = refund.expect("refunded");
    let again = || books.reverse_refund(id(&refund), json!({ "reason": "it came back" }));
    let (one, other) = tokio::join!(again(), again());
    let (done, refusal) = if one.is_ok() { (one, other) } else { (other, one) };
    done.expect("reversed");
    refused(refusal, 409, "refund_reversed");
    assert_eq!(credit_of(&books, &note).await["left"], eur("10.00"));
    books.assert_laws().await;
}

#[tokio::test]
async fn credits_come_in_pages_and_statements_do_not_grow_with_allocations() {
    let books = Books::open().await;
    let customer = customer();
    let note = credited(&books, &customer, "100.00", 0).await;
    let first = books.pay(incoming(&customer, "1.00", json!([]))).await.expect("paid");
    let second = books.pay(incoming(&customer, "2.00", json!([]))).await.expect("paid");
    let mut query = json!({ "customer_id": customer.id, "limit": 2, "sort": "created_at" });
    let page = json!(books.service.list_credits(read(query.clone())).await.expect("a page"));
    query["cursor"] = page["page"]["next_cursor"].clone();
    let rest = json!(books.service.list_credits(read(query)).await.expect("a page"));
    assert_eq!(page["data"][0]["credit_note_id"], note["id"]);
    assert_eq!(page["data"][0].get("payment_id"), None);
    assert_eq!(page["data"][1]["payment_id"], first["id"]);
    assert_eq!(rest["data"][0]["payment_id"], second["id"]);
    assert_eq!(rest["page"], json!({ "has_more": false }));

    let mut counts = Vec::new();
    for many in [1, 30] {
        let mut allocations = Vec::new();
        for _ in 0..many {
            allocations.push(of(&invoice(&books, &customer, "1.00", 0).await, "1.00"));
        }
        let work = books.use_credit(id(&note), json!(allocations));
        let (applied, count) = count_statements(work).await;
        applied.expect("applied");
        counts.push(count);
    }
    assert_eq!(counts[0], counts[1]);
    books.assert_laws().await;
}
