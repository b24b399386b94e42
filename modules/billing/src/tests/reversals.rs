//! Payments and allocations that are taken back.

use chrono::{Days, NaiveDate};
use contracts::events::{PaymentReversed, PaymentUnapplied};
use contracts::ids::PaymentId;
use contracts::sales::CustomerInfo;
use kernel::events::EventData;
use serde_json::{Value, json};

use crate::tests::documents::{
    bill, customer, incoming, outgoing, purchase_order, receipt, shipment, stock_received,
};
use crate::tests::support::{
    Books, body_of, count_statements, eur, id, read, refused, today, user,
};

fn ago(days: u64) -> NaiveDate {
    today() - Days::new(days)
}

fn bounced() -> Value {
    json!({ "reason": "the cheque bounced" })
}

async fn invoice(books: &Books, customer: &CustomerInfo, amount: &str, days_ago: u64) -> Value {
    let draft = books.drafted(&shipment(customer, &[("1", amount, "zero")])).await;
    books.issue(id(&draft), json!({ "issued_on": ago(days_ago) })).await.expect("issued")
}

fn of(invoice: &Value, amount: &str) -> Value {
    json!({ "invoice_id": invoice["id"], "amount": eur(amount) })
}

async fn open(books: &Books, invoice: &Value) -> (Value, Value) {
    let seen = books.invoice(id(invoice)).await;
    (seen["status"].clone(), seen["open"].clone())
}

#[tokio::test]
async fn a_reversed_payment_opens_what_it_settled_and_posts_its_mirror() {
    let books = Books::open().await;
    let customer = customer();
    let first = invoice(&books, &customer, "100.00", 0).await;
    let second = invoice(&books, &customer, "50.00", 0).await;
    let paid = incoming(&customer, "130.00", json!([of(&first, "60.00"), of(&second, "20.00")]));
    let paid = books.pay(paid).await.expect("paid");
    // One invoice may be settled in more than one step.
    let more = json!({ "allocations": [of(&first, "40.00")] });
    let paid = books.allocate(id(&paid), more).await.expect("allocated");
    assert_eq!(open(&books, &first).await, (json!("settled"), eur("0.00")));

    let reversed = books.reverse(id(&paid), bounced()).await.expect("reversed");
    assert_eq!((&reversed["applied"], &reversed["unapplied"]), (&eur("0.00"), &eur("0.00")));
    assert_eq!(reversed["reversed_on"], json!(today()));
    assert_eq!(reversed["reversal_reason"], "the cheque bounced");
    assert_eq!((&reversed["allowed_actions"], &reversed["version"]), (&json!([]), &json!(3)));
    let rows = reversed["allocations"].as_array().expect("allocations");
    let mirrors: Vec<_> = rows[3..].iter().map(|row| row["reverses_id"].clone()).collect();
    let made: Vec<_> = rows[..3].iter().map(|row| row["id"].clone()).collect();
    assert_eq!(mirrors, made);
    assert_eq!(books.payment(id(&paid)).await, reversed);
    assert_eq!(open(&books, &first).await, (json!("issued"), eur("100.00")));
    assert_eq!(open(&books, &second).await, (json!("issued"), eur("50.00")));
    assert_eq!(books.balance("1100").await, 15000);
    assert_eq!(books.balance("1000").await, 0);
    let told = books.published(PaymentUnapplied::TYPE).await;
    let told: Vec<_> = told.iter().map(|e| (&e["amount"], &e["invoice_open"])).collect();
    assert_eq!(told, [(&eur("100.00"), &eur("100.00")), (&eur("20.00"), &eur("50.00"))]);
    let told = books.published(PaymentReversed::TYPE).await;
    assert_eq!((told.len(), &told[0]["amount"]), (1, &eur("130.00")));
    books.assert_laws().await;

    // The invoices can be paid again, but not with it.
    let more = json!({ "allocations": [of(&first, "1.00")] });
    refused(books.allocate(id(&paid), more).await, 409, "payment_reversed");
    refused(books.reverse(id(&paid), bounced()).await, 409, "payment_reversed");
    books.pay(incoming(&customer, "150.00", json!([of(&first, "100.00")]))).await.expect("paid");
    assert_eq!(open(&books, &first).await.0, "settled");
    books.assert_laws().await;
}

#[tokio::test]
async fn an_allocation_is_taken_back_once_and_nothing_is_posted() {
    let books = Books::open().await;
    let customer = customer();
    let wrong = invoice(&books, &customer, "100.00", 0).await;
    let right = invoice(&books, &customer, "100.00", 0).await;
    let paid = incoming(&customer, "100.00", json!([of(&wrong, "70.00"), of(&right, "30.00")]));
    let paid = books.pay(paid).await.expect("paid");
    let entries = books.posted(id::<()>(&paid).uuid()).await;
    let after = books.unapply(&paid, 0).await.expect("taken back");
    assert_eq!((&after["applied"], &after["unapplied"]), (&eur("30.00"), &eur("70.00")));
    assert_eq!(after["allowed_actions"], json!(["allocate", "reverse"]));
    assert_eq!(after["allocations"][2]["reason"], "for another invoice");
    assert_eq!(open(&books, &wrong).await.1, eur("100.00"));
    assert_eq!(open(&books, &right).await.1, eur("70.00"));
    assert_eq!(books.posted(id::<()>(&paid).uuid()).await, entries);
    assert_eq!(books.published(PaymentUnapplied::TYPE).await.len(), 1);
    books.assert_laws().await;

    refused(books.unapply(&paid, 0).await, 409, "allocation_reversed");
    // What takes back is not taken back.
    refused(books.unapply(&after, 2).await, 404, "not_found");
    let other = books.pay(incoming(&customer, "1.00", json!([]))).await.expect("paid");
    let ids = (id(&other), id(&paid["allocations"][1]));
    let body = read(json!({ "reason": "not of this payment" }));
    refused(books.service.reverse_allocation(&user(), ids, body).await, 404, "not_found");
    let again = json!({ "allocations": [of(&right, "70.00")] });
    books.allocate(id(&paid), again).await.expect("allocated");
    assert_eq!(open(&books, &right).await, (json!("settled"), eur("0.00")));
    // The two that count go back with the payment, and the other does not once more.
    books.reverse(id(&paid), bounced()).await.expect("reversed");
    assert_eq!(open(&books, &right).await, (json!("issued"), eur("100.00")));
    assert_eq!(open(&books, &wrong).await, (json!("issued"), eur("100.00")));
    refused(books.unapply(&paid, 1).await, 409, "allocation_reversed");
    books.assert_laws().await;
}

#[tokio::test]
async fn what_was_paid_to_a_supplier_is_owed_again() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.00")]);
    books.hear(&order).await;
    let receipt = receipt(&order, &[(0, "10")]);
    books.hear(&receipt).await;
    books.hear(&stock_received(&receipt)).await;
    let entered =
        books.enter_bill(bill(&order, "R-1", &[(0, "10", "4.00")])).await.expect("entered");
    books.approve(&user(), id(&entered)).await.expect("approved");
    let allocation = json!([{ "bill_id": entered["id"], "amount": eur("48.00") }]);
    let paid = books.pay(outgoing(&order, "50.00", allocation)).await.expect("paid");
    assert_eq!(books.bill(id(&entered)).await["status"], "settled");
    let after = books.unapply(&paid, 0).await.expect("taken back");
    assert_eq!(after["unapplied"], eur("50.00"));
    assert_eq!(books.bill(id(&entered)).await["status"], "approved");
    let again = json!({ "allocations": [{ "bill_id": entered["id"], "amount": eur("10.00") }] });
    books.allocate(id(&paid), again).await.expect("allocated");
    books.reverse(id(&paid), bounced()).await.expect("reversed");
    let owed = books.bill(id(&entered)).await;
    assert_eq!((&owed["status"], &owed["open"]), (&json!("approved"), &eur("48.00")));
    assert_eq!((books.balance("1000").await, books.balance("2000").await), (0, -4800));
    assert_eq!(books.published(PaymentReversed::TYPE).await.len(), 0);
    books.assert_laws().await;
}

#[tokio::test]
async fn a_reversal_has_a_day_of_its_own_in_an_open_period() {
    let books = Books::open().await;
    let customer = customer();
    let owed = invoice(&books, &customer, "100.00", 9).await;
    let mut body = incoming(&customer, "100.00", json!([of(&owed, "100.00")]));
    body["received_on"] = json!(ago(6));
    let paid = books.pay(body).await.expect("paid");
    books.close(ago(4), "soft").await.expect("closed");
    let on = |day: NaiveDate| json!({ "reason": "it bounced", "reversed_on": day });
    let check = async |day, code| refused(books.reverse(id(&paid), on(day)).await, 422, code);
    check(ago(7), "reversed_before_received").await;
    check(today() + Days::new(1), "date_in_future").await;
    check("1066-10-14".parse().expect("a date"), "date_out_of_range").await;
    check(ago(4), "period_closed").await;
    refused(books.reverse(PaymentId::new(), bounced()).await, 404, "not_found");
    assert_eq!(open(&books, &owed).await.0, "settled");
    books.reverse(id(&paid), on(ago(2))).await.expect("reversed");
    books.assert_laws().await;

    // Of a day in between it was there, though what it had settled is open.
    let check = async |days: u64, open: &str, credit: &str, balance: &str| {
        let query = read(json!({ "as_of": ago(days), "buckets": "60" }));
        let totals = json!(books.service.receivables_ageing(query).await.expect("ageing").totals);
        let shown = [&totals["buckets"][0]["amount"], &totals["credit"], &totals["balance"]];
        assert_eq!(shown, [&eur(open), &eur(credit), &eur(balance)], "{days} days ago");
    };
    check(7, "100.00", "0.00", "100.00").await;
    check(6, "100.00", "100.00", "0.00").await;
    check(3, "100.00", "100.00", "0.00").await;
    check(2, "100.00", "0.00", "100.00").await;
    check(0, "100.00", "0.00", "100.00").await;

    // Who may, and says why, reverses in what is closed.
    let mut body = incoming(&customer, "5.00", json!([]));
    body["received_on"] = json!(ago(4));
    let mut ctx = user();
    ctx.reason = Some("the bank told us late".into());
    let paid = body_of(books.service.create_payment(&ctx, read(body)).await.expect("paid")).await;
    let late = read(on(ago(4)));
    let paid = id(&paid.expect("a payment"));
    books.service.reverse_payment(&ctx, paid, late).await.expect("reversed");
    books.assert_laws().await;
}

#[tokio::test]
async fn a_payment_that_two_reverse_at_once_is_reversed_once() {
    let books = Books::open().await;
    let customer = customer();
    let owed = invoice(&books, &customer, "100.00", 0).await;
    let paid = incoming(&customer, "100.00", json!([of(&owed, "100.00")]));
    let paid = books.pay(paid).await.expect("paid");
    let (one, other) =
        tokio::join!(books.reverse(id(&paid), bounced()), books.reverse(id(&paid), bounced()));
    let (done, refusal) = if one.is_ok() { (one, other) } else { (other, one) };
    done.expect("reversed");
    refused(refusal, 409, "payment_reversed");
    let paid = incoming(&customer, "100.00", json!([of(&owed, "100.00")]));
    let paid = books.pay(paid).await.expect("paid");
    let (one, other) = tokio::join!(books.unapply(&paid, 0), books.reverse(id(&paid), bounced()));
    // Whichever was first, what it settled is open once.
    assert!(other.is_ok());
    if let Err(error) = one {
        assert_eq!(error.code(), "allocation_reversed");
    }
    assert_eq!(open(&books, &owed).await, (json!("issued"), eur("100.00")));
    books.assert_laws().await;
}

#[tokio::test]
async fn statements_do_not_grow_with_what_is_taken_back() {
    let books = Books::open().await;
    let customer = customer();
    let mut counts = Vec::new();
    for many in [1, 30] {
        let mut allocations = Vec::new();
        for _ in 0..many {
            allocations.push(of(&invoice(&books, &customer, "1.00", 0).await, "1.00"));
        }
        let paid = incoming(&customer, "100.00", json!(allocations));
        let paid = books.pay(paid).await.expect("paid");
        let (reversed, count) = count_statements(books.reverse(id(&paid), bounced())).await;
        reversed.expect("reversed");
        counts.push(count);
    }
    assert_eq!(counts[0], counts[1]);
    books.assert_laws().await;
}
