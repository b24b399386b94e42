//! Invoices and credit notes: from a shipment to an empty account.

use chrono::{Datelike, Days};
use contracts::events::{CreditNoteIssued, InvoiceIssued};
use contracts::ids::{InvoiceId, InvoiceLineId};
use kernel::events::{EventData, Subscriber};
use serde_json::{Value, json};

use crate::tests::documents::{customer, incoming, shipment};
use crate::tests::support::{
    Books, body_of, count_statements, eur, event, id, refused, today, user,
};

#[tokio::test]
async fn a_shipment_is_drafted_once() {
    let books = Books::open().await;
    let shipment = shipment(&customer(), &[("2", "19.90", "standard"), ("1", "5.25", "reduced")]);
    let draft = books.drafted(&shipment).await;
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["number"], Value::Null);
    // 39.80 + 5.25, tax 7.96 + 0.53 (0.525 rounded half up).
    assert_eq!(
        (&draft["net"], &draft["tax"], &draft["total"]),
        (&eur("45.05"), &eur("8.49"), &eur("53.54"))
    );
    assert_eq!(draft["allowed_actions"], json!(["issue", "discard"]));
    // The same event again, and the same shipment by another event.
    let again = books.hear(&shipment).await;
    books.service.handle(&again).await.expect("applied already");
    let query = serde_json::from_value(json!({})).expect("a query");
    assert_eq!(books.service.list_invoices(query).await.expect("a page").data.len(), 1);
    assert_eq!(books.balance("1100").await, 0);
    books.assert_laws().await;
}

#[tokio::test]
async fn a_shipment_of_an_unknown_tax_class_waits() {
    let books = Books::open().await;
    let shipment = shipment(&customer(), &[("1", "1.00", "luxury")]);
    let event = event(&shipment);
    refused(books.service.handle(&event).await, 422, "unknown_tax_class");
    let rate = json!({ "code": "luxury", "name": "Luxury", "rate": "30" });
    let new = serde_json::from_value(rate).expect("a body");
    books.service.create_tax_rate(&user(), new).await.expect("created");
    books.service.handle(&event).await.expect("the second delivery is applied");
    books.assert_laws().await;
}

#[tokio::test]
async fn an_issued_invoice_is_numbered_posted_and_told() {
    let books = Books::open().await;
    let shipment = shipment(&customer(), &[("2", "19.90", "standard")]);
    let invoice = books.issued(&shipment).await;
    let year = today().year();
    assert_eq!(invoice["number"], format!("INV-{year}-000001"));
    assert_eq!(invoice["status"], "issued");
    assert_eq!(invoice["issued_on"], json!(today()));
    assert_eq!(invoice["due_on"], json!(today() + Days::new(14)));
    assert_eq!(invoice["open"], eur("47.76"));
    assert_eq!(invoice["allowed_actions"], json!(["credit"]));
    let posted = books.posted(id::<()>(&invoice).uuid()).await;
    let expected = [("1100", 4776), ("4000", -3980), ("2200", -796)];
    assert_eq!(posted, expected.map(|(code, amount)| (code.to_owned(), amount)));
    let told = books.published(InvoiceIssued::TYPE).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["total"], eur("47.76"));
    assert_eq!(told[0]["lines"][0]["quantity"], "2");
    refused(books.issue(id(&invoice), json!({})).await, 409, "illegal_transition");
    let discarded = books.service.discard_invoice(&user(), id(&invoice)).await;
    refused(discarded, 409, "illegal_transition");
    books.assert_laws().await;
}

#[tokio::test]
async fn lines_of_one_order_line_are_told_as_one() {
    let books = Books::open().await;
    let mut shipment = shipment(
        &customer(),
        &[("2", "1.00", "zero"), ("1", "5.00", "zero"), ("3", "1.00", "zero")],
    );
    shipment.lines[2].order_line_id = shipment.lines[0].order_line_id;
    books.issued(&shipment).await;
    let told = &books.published(InvoiceIssued::TYPE).await[0]["lines"];
    let quantities: Vec<_> =
        told.as_array().expect("lines").iter().map(|line| line["quantity"].clone()).collect();
    assert_eq!(quantities, [json!("5"), json!("1")]);
}

#[tokio::test]
async fn discarding_uses_no_number() {
    let books = Books::open().await;
    let customer = customer();
    let draft = books.drafted(&shipment(&customer, &[("1", "10.00", "zero")])).await;
    let discarded = books.service.discard_invoice(&user(), id(&draft)).await.expect("discarded");
    let discarded = body_of(discarded).await.expect("a body");
    assert_eq!((&discarded["status"], &discarded["number"]), (&json!("discarded"), &Value::Null));
    assert_eq!(discarded["allowed_actions"], json!(["redraft"]));
    refused(books.issue(id(&draft), json!({})).await, 409, "illegal_transition");
    refused(books.credit(id(&draft), json!({"reason": "no"})).await, 409, "illegal_transition");
    let next = books.issued(&shipment(&customer, &[("1", "10.00", "zero")])).await;
    assert!(next["number"].as_str().expect("a number").ends_with("-000001"));
    books.assert_laws().await;
}

#[tokio::test]
async fn a_discarded_invoice_is_drafted_anew_at_the_rates_of_now() {
    for (includes_tax, totals) in
        [(false, ["45.05", "8.48", "53.53"]), (true, ["37.92", "7.13", "45.05"])]
    {
        let books = Books::open().await;
        let lines = [("2", "19.90", "standard"), ("1", "5.25", "reduced")];
        let mut shipment = shipment(&customer(), &lines);
        shipment.prices_include_tax = includes_tax;
        let draft = books.drafted(&shipment).await;
        refused(books.redraft(id(&draft)).await, 409, "illegal_transition");
        books.service.discard_invoice(&user(), id(&draft)).await.expect("discarded");
        books.change_rate("standard", "20").await;
        let same = books.redraft(id(&draft)).await.expect("drafted anew");
        for field in ["id", "lines", "taxes", "net", "tax", "total", "status", "allowed_actions"] {
            assert_eq!(same[field], draft[field], "{field}");
        }
        books.service.discard_invoice(&user(), id(&draft)).await.expect("discarded");
        books.change_rate("standard", "19").await;
        books.change_rate("reduced", "17.5").await;
        let anew = books.redraft(id(&draft)).await.expect("drafted anew");
        assert_eq!(["net", "tax", "total"].map(|field| anew[field].clone()), totals.map(eur));
        assert_eq!((&anew["lines"][0]["tax_rate"], &anew["version"]), (&json!("19"), &json!(5)));
        assert_eq!(books.invoice(id(&draft)).await, anew);
        books.assert_laws().await;
        let issued = books.issue(id(&draft), json!({})).await.expect("issued");
        assert_eq!(issued["open"], anew["total"]);
        refused(books.redraft(id(&draft)).await, 409, "illegal_transition");
        books.assert_laws().await;
    }
    refused(Books::open().await.redraft(InvoiceId::new()).await, 404, "not_found");
}

#[tokio::test]
async fn an_invoice_that_new_rates_make_too_large_stays_discarded() {
    let books = Books::open().await;
    let shipment = shipment(&customer(), &[("9000000", "1000000", "standard")]);
    books.change_rate("standard", "0").await;
    let draft = books.drafted(&shipment).await;
    books.service.discard_invoice(&user(), id(&draft)).await.expect("discarded");
    books.change_rate("standard", "20").await;
    refused(books.redraft(id(&draft)).await, 422, "amount_overflow");
    assert_eq!(books.invoice(id(&draft)).await["status"], "discarded");
    books.assert_laws().await;
}

#[tokio::test]
async fn dates_of_a_series_do_not_go_back() {
    let books = Books::open().await;
    let customer = customer();
    let draft = || async {
        id::<contracts::ids::Invoice>(
            &books.drafted(&shipment(&customer, &[("1", "10.00", "zero")])).await,
        )
    };
    // Days of one year, whatever day it is.
    let year = today().year() - 1;
    let on = |day: &str| json!({ "issued_on": format!("{year}-{day}") });
    books.issue(draft().await, on("05-02")).await.expect("issued");
    books.issue(draft().await, on("05-02")).await.expect("the same day again");
    let late = draft().await;
    let error = books.issue(late, on("05-01")).await.expect_err("the day before");
    assert_eq!(error.code(), "date_before_last_issued");
    let tomorrow = json!({ "issued_on": today() + Days::new(1) });
    refused(books.issue(late, tomorrow).await, 422, "date_in_future");
    refused(books.issue(late, json!({"issued_on": "1066-10-14"})).await, 422, "date_out_of_range");
    // Another year is another series, and the refusals drew no number.
    let other = json!({ "issued_on": format!("{}-12-31", year - 1) });
    let other = books.issue(draft().await, other).await.expect("issued");
    assert_eq!(other["number"], format!("INV-{}-000001", year - 1));
    let third = books.issue(late, on("05-03")).await.expect("issued");
    assert_eq!(third["number"], format!("INV-{year}-000003"));
    books.assert_laws().await;
}

#[tokio::test]
async fn a_document_is_not_older_than_what_it_rests_on() {
    let books = Books::open().await;
    let mut shipment = shipment(&customer(), &[("2", "10.00", "zero")]);
    let day = |days_ago| today() - Days::new(days_ago);
    shipment.shipped_on = day(3);
    let draft = books.drafted(&shipment).await;
    let on = |days_ago| json!({ "issued_on": day(days_ago) });
    let error = books.issue(id(&draft), on(4)).await.expect_err("before it was shipped");
    assert_eq!((error.status(), error.code()), (422, "issued_before_shipped"));
    assert_eq!(error.fields()[0].pointer, "/issued_on");
    // That drew no number, and the day itself will do.
    let issued = books.issue(id(&draft), on(3)).await.expect("issued");
    assert!(issued["number"].as_str().expect("a number").ends_with("-000001"));
    let note = |days_ago| json!({ "issued_on": day(days_ago), "reason": "never came" });
    let error = books.credit(id(&issued), note(4)).await.expect_err("before the invoice");
    assert_eq!((error.status(), error.code()), (422, "issued_before_invoice"));
    assert_eq!(error.fields()[0].pointer, "/issued_on");
    books.credit(id(&issued), note(3)).await.expect("credited");
    books.assert_laws().await;
}

#[tokio::test]
async fn an_invoice_of_nothing_is_settled_at_once() {
    let books = Books::open().await;
    let invoice = books.issued(&shipment(&customer(), &[("1", "0.00", "standard")])).await;
    assert_eq!(invoice["status"], "settled");
    assert_eq!(books.posted(id::<()>(&invoice).uuid()).await, []);
    books.assert_laws().await;
}

#[tokio::test]
async fn unknown_invoices_are_not_found() {
    let books = Books::open().await;
    let unknown = InvoiceId::new();
    refused(books.service.invoice(unknown).await, 404, "not_found");
    refused(books.issue(unknown, json!({})).await, 404, "not_found");
    refused(books.credit(unknown, json!({"reason": "no"})).await, 404, "not_found");
}

fn line_id(invoice: &Value, index: usize) -> &Value {
    &invoice["lines"][index]["id"]
}

#[tokio::test]
async fn a_credit_note_lowers_what_is_open() {
    let books = Books::open().await;
    let customer = customer();
    let lines = [("3", "19.90", "standard"), ("1", "5.25", "reduced")];
    let invoice = books.issued(&shipment(&customer, &lines)).await;
    assert_eq!(invoice["total"], eur("77.42"));
    let part = json!({
        "lines": [{"invoice_line_id": line_id(&invoice, 0), "quantity": "1"}],
        "reason": "one came broken"
    });
    let note = books.credit(id(&invoice), part).await.expect("credited");
    assert_eq!(note["number"], format!("CN-{}-000001", today().year()));
    assert_eq!(
        (&note["total"], &note["applied"], &note["unapplied"]),
        (&eur("23.88"), &eur("23.88"), &eur("0.00"))
    );
    let told = &books.published(CreditNoteIssued::TYPE).await[0];
    assert_eq!((&told["total"], &told["lines"][0]["net"]), (&eur("23.88"), &eur("19.90")));
    let posted = books.posted(id::<()>(&note).uuid()).await;
    let expected = [("4000", 1990), ("2200", 398), ("1100", -2388)];
    assert_eq!(posted, expected.map(|(code, amount)| (code.to_owned(), amount)));
    let after = books.invoice(id(&invoice)).await;
    assert_eq!((&after["open"], &after["credited"]), (&eur("53.54"), &eur("23.88")));
    assert_eq!(after["lines"][0]["credited_quantity"], "1");
    books.assert_laws().await;

    let rest = books.credit(id(&invoice), json!({"reason": "all of it"})).await.expect("credited");
    assert_eq!(rest["total"], eur("53.54"));
    assert_eq!(rest["lines"].as_array().expect("lines").len(), 2);
    let after = books.invoice(id(&invoice)).await;
    assert_eq!((&after["status"], &after["open"]), (&json!("settled"), &eur("0.00")));
    assert_eq!(after["allowed_actions"], json!([]));
    assert_eq!(books.balance("1100").await, 0);
    assert_eq!(books.balance("4000").await, 0);
    assert_eq!(books.balance("2200").await, 0);
    refused(books.credit(id(&invoice), json!({"reason": "more"})).await, 409, "nothing_to_credit");
    let shown = json!(books.service.credit_note(id(&rest)).await.expect("the note"));
    assert_eq!(shown, rest);
    books.assert_laws().await;
}

#[tokio::test]
async fn what_was_paid_already_becomes_the_customers_credit() {
    let books = Books::open().await;
    let customer = customer();
    let invoice = books.issued(&shipment(&customer, &[("4", "25.00", "zero")])).await;
    let allocation = json!([{"invoice_id": invoice["id"], "amount": eur("70.00")}]);
    books.pay(incoming(&customer, "70.00", allocation)).await.expect("paid");
    let two = json!({
        "lines": [{"invoice_line_id": line_id(&invoice, 0), "quantity": "2"}], "reason": "too many"
    });
    let note = books.credit(id(&invoice), two).await.expect("credited");
    assert_eq!((&note["applied"], &note["unapplied"]), (&eur("30.00"), &eur("20.00")));
    let after = books.invoice(id(&invoice)).await;
    assert_eq!(after["status"], "settled");
    assert_eq!((&after["credited"], &after["credit_notes_total"]), (&eur("30.00"), &eur("50.00")));
    assert_eq!(after["allowed_actions"], json!(["credit"]));
    assert_eq!(books.balance("1100").await, -2000);
    books.assert_laws().await;
    let rest = books.credit(id(&invoice), json!({"reason": "the rest"})).await.expect("credited");
    assert_eq!((&rest["applied"], &rest["unapplied"]), (&eur("0.00"), &eur("50.00")));
    books.assert_laws().await;
}

#[tokio::test]
async fn credits_beyond_the_invoice_are_refused() {
    let books = Books::open().await;
    let draft = books.drafted(&shipment(&customer(), &[("2", "10.00", "standard")])).await;
    let new_year = format!("{}-01-01", today().year());
    let invoice = books.issue(id(&draft), json!({ "issued_on": new_year })).await.expect("issued");
    let line = line_id(&invoice, 0);
    let of = |lines: Value| json!({ "lines": lines, "reason": "a try" });
    let check = async |lines: Value, status, code| {
        refused(books.credit(id(&invoice), of(lines)).await, status, code);
    };
    check(json!([]), 422, "no_lines").await;
    check(json!([{"invoice_line_id": line, "quantity": "2.000001"}]), 409, "over_credited").await;
    let unknown = InvoiceLineId::new();
    let unknown = json!([{"invoice_line_id": unknown, "quantity": "1"}]);
    check(unknown, 422, "unknown_invoice_line").await;
    let one = json!({"invoice_line_id": line, "quantity": "1"});
    check(json!([one, one]), 422, "duplicate_line").await;
    check(json!(vec![one.clone(); 5001]), 422, "too_many_lines").await;
    let early = json!({"lines": [one], "reason": "early", "issued_on": today() + Days::new(1)});
    refused(books.credit(id(&invoice), early).await, 422, "date_in_future");
    books.credit(id(&invoice), of(json!([one]))).await.expect("the first");
    let two = json!([{"invoice_line_id": line, "quantity": "2"}]);
    check(two, 409, "over_credited").await;
    let before = json!({"reason": "late", "issued_on": new_year});
    if today().ordinal() > 1 {
        refused(books.credit(id(&invoice), before).await, 409, "date_before_last_issued");
    }
    books.assert_laws().await;
}

/// The cost of a document does not grow with its lines.
#[tokio::test]
async fn statements_do_not_grow_with_lines() {
    let books = Books::open().await;
    let mut counts = Vec::new();
    for lines in [1, 1000] {
        let lines = vec![("2", "3.60", "standard"); lines];
        let (shipment, again) = (shipment(&customer(), &lines), shipment(&customer(), &lines));
        let (draft, drafting) = count_statements(books.drafted(&shipment)).await;
        let (_, issuing) = count_statements(books.issue(id(&draft), json!({}))).await;
        let lines: Vec<_> = draft["lines"]
            .as_array()
            .expect("lines")
            .iter()
            .map(|line| json!({"invoice_line_id": line["id"], "quantity": "1"}))
            .collect();
        let note = json!({ "lines": lines, "reason": "one of each" });
        let (note, crediting) = count_statements(books.credit(id(&draft), note)).await;
        note.expect("credited");
        let discarded = books.drafted(&again).await;
        books.service.discard_invoice(&user(), id(&discarded)).await.expect("discarded");
        let (anew, redrafting) = count_statements(books.redraft(id(&discarded))).await;
        anew.expect("drafted anew");
        counts.push([drafting, issuing, crediting, redrafting]);
    }
    assert!(counts[0].iter().all(|count| *count > 0), "{counts:?}");
    assert_eq!(counts[0], counts[1], "drafting, issuing, crediting, redrafting");
    books.assert_laws().await;
}
