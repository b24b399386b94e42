//! What is owed, by age, as of any day.

use chrono::{Days, NaiveDate};
use contracts::sales::CustomerInfo;
use serde_json::{Value, json};

use crate::tests::documents::{
    bill, customer, incoming, outgoing, purchase_order, receipt, shipment, stock_received,
};
use crate::tests::support::{Books, eur, id, read, today, user};

fn ago(days: u64) -> NaiveDate {
    today() - Days::new(days)
}

/// An invoice over `amount` of a day; it is due 14 days later.
async fn invoice(books: &Books, customer: &CustomerInfo, amount: &str, days_ago: u64) -> Value {
    let draft = books.drafted(&shipment(customer, &[("1", amount, "zero")])).await;
    books.issue(id(&draft), json!({ "issued_on": ago(days_ago) })).await.expect("issued")
}

async fn pay(books: &Books, customer: &CustomerInfo, of: &Value, amounts: [&str; 2], days: u64) {
    let allocations = json!([{ "invoice_id": of["id"], "amount": eur(amounts[1]) }]);
    let mut body = incoming(customer, amounts[0], allocations);
    body["received_on"] = json!(ago(days));
    books.pay(body).await.expect("paid");
}

async fn receivables(books: &Books, query: Value) -> Value {
    json!(books.service.receivables_ageing(read(query)).await.expect("ageing"))
}

/// The amounts of the buckets, then the credit and the balance, without trailing noise.
fn amounts(ageing: &Value) -> Vec<String> {
    let buckets = ageing["buckets"].as_array().expect("buckets").iter().map(|b| &b["amount"]);
    let all = buckets.chain([&ageing["credit"], &ageing["balance"]]);
    all.map(|money| money["amount"].as_str().expect("an amount").to_owned()).collect()
}

#[tokio::test]
async fn an_invoice_is_overdue_from_the_day_after_it_is_due() {
    let books = Books::open().await;
    let customer = customer();
    invoice(&books, &customer, "100.00", 44).await;
    let check = async |as_of: NaiveDate, expected: [&str; 5]| {
        let query = json!({ "as_of": as_of, "buckets": "10,30" });
        let report = receivables(&books, query).await;
        assert_eq!(amounts(&report["totals"])[..4], expected[..4], "{as_of}");
        assert_eq!(amounts(&report["totals"])[5], expected[4], "{as_of}");
    };
    // Due 30 days ago.
    check(ago(45), ["0.00", "0.00", "0.00", "0.00", "0.00"]).await;
    check(ago(44), ["100.00", "0.00", "0.00", "0.00", "100.00"]).await;
    check(ago(30), ["100.00", "0.00", "0.00", "0.00", "100.00"]).await;
    check(ago(29), ["0.00", "100.00", "0.00", "0.00", "100.00"]).await;
    check(ago(20), ["0.00", "100.00", "0.00", "0.00", "100.00"]).await;
    check(ago(19), ["0.00", "0.00", "100.00", "0.00", "100.00"]).await;
    check(today(), ["0.00", "0.00", "100.00", "0.00", "100.00"]).await;
    check(today() + Days::new(1), ["0.00", "0.00", "0.00", "100.00", "100.00"]).await;
}

#[tokio::test]
async fn a_past_day_sees_what_was_dated_until_then_and_nothing_else() {
    let books = Books::open().await;
    let customer = customer();
    // A payment before there is anything to pay is credit.
    let early = books.pay({
        let mut body = incoming(&customer, "70.00", json!([]));
        body["received_on"] = json!(ago(9));
        body
    });
    let early = early.await.expect("paid");
    let first = invoice(&books, &customer, "100.00", 8).await;
    let second = invoice(&books, &customer, "50.00", 6).await;
    pay(&books, &customer, &first, ["45.00", "40.00"], 4).await;
    let note = json!({ "reason": "half is broken", "issued_on": ago(2),
        "lines": [{ "invoice_line_id": second["lines"][0]["id"], "quantity": "0.5" }] });
    books.credit(id(&second), note).await.expect("credited");
    let allocation = json!([{ "invoice_id": second["id"], "amount": eur("20.00") }]);
    books.allocate(id(&early), json!({ "allocations": allocation })).await.expect("allocated");

    let check = async |days: u64, open: &str, credit: &str, balance: &str| {
        let report = receivables(&books, json!({ "as_of": ago(days) })).await;
        let totals = amounts(&report["totals"]);
        let shown = [&totals[0], &totals[6], &totals[7]];
        assert_eq!(shown, [open, credit, balance], "{days} days ago");
    };
    check(10, "0.00", "0.00", "0.00").await;
    check(9, "0.00", "70.00", "-70.00").await;
    check(8, "100.00", "70.00", "30.00").await;
    // From when both are dated, 20 of the early payment are for the second invoice.
    check(6, "130.00", "50.00", "80.00").await;
    check(4, "90.00", "55.00", "35.00").await;
    check(2, "65.00", "55.00", "10.00").await;
    check(0, "65.00", "55.00", "10.00").await;
    books.assert_laws().await;
}

#[tokio::test]
async fn a_credit_note_for_what_was_paid_is_credit() {
    let books = Books::open().await;
    let customer = customer();
    let paid = invoice(&books, &customer, "80.00", 3).await;
    pay(&books, &customer, &paid, ["80.00", "80.00"], 2).await;
    let note = json!({ "reason": "returned", "issued_on": ago(1) });
    books.credit(id(&paid), note).await.expect("credited");
    for (days, credit) in [(3, "0.00"), (2, "0.00"), (1, "80.00"), (0, "80.00")] {
        let report = receivables(&books, json!({ "as_of": ago(days) })).await;
        assert_eq!(amounts(&report["totals"])[6], credit, "{days} days ago");
    }
    books.assert_laws().await;
}

#[tokio::test]
async fn customers_come_in_pages_that_add_up_and_settled_ones_not_at_all() {
    let books = Books::open().await;
    let mut owing = Vec::new();
    for _ in 0..3 {
        let customer = customer();
        invoice(&books, &customer, "10.00", 0).await;
        owing.push(json!(customer.id));
    }
    let settled = customer();
    let paid = invoice(&books, &settled, "10.00", 0).await;
    pay(&books, &settled, &paid, ["10.00", "10.00"], 0).await;
    let mut query = json!({ "limit": 2 });
    let first = receivables(&books, query.clone()).await;
    assert_eq!(first["page"]["has_more"], true);
    query["cursor"] = first["page"]["next_cursor"].clone();
    let second = receivables(&books, query).await;
    assert_eq!(second["page"], json!({ "has_more": false }));
    let rows = [&first["data"], &second["data"]];
    let rows: Vec<_> = rows.iter().flat_map(|data| data.as_array().expect("rows")).collect();
    let ids: Vec<_> = rows.iter().map(|row| row["customer_id"].clone()).collect();
    assert_eq!(ids, owing);
    assert!(rows.iter().all(|row| row["customer_name"] == "Nordwind GmbH"));
    assert_eq!(first["totals"], second["totals"]);
    assert_eq!(first["totals"]["balance"], eur("30.00"));
    let cursor = first["page"]["next_cursor"].clone();
    let other = books.service.payables_ageing(read(json!({ "cursor": cursor }))).await;
    assert_eq!(other.expect_err("of another list").code(), "invalid_cursor");
}

#[tokio::test]
async fn payables_are_approved_bills_less_what_was_paid() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "10.00")]);
    books.hear(&order).await;
    let came = receipt(&order, &[(0, "10")]);
    books.hear(&came).await;
    books.hear(&stock_received(&came)).await;
    let mut body = bill(&order, "R-1", &[(0, "5", "10.00")]);
    body["billed_on"] = json!(ago(40));
    let entered = books.enter_bill(body).await.expect("entered");
    // 60.00 with tax, due 10 days ago; nothing before it is approved.
    let payables = async |days: u64| {
        let report = books.service.payables_ageing(read(json!({ "as_of": ago(days) }))).await;
        json!(report.expect("ageing"))
    };
    assert_eq!(payables(0).await["totals"]["balance"], eur("0.00"));
    books.approve(&user(), id(&entered)).await.expect("approved");
    let allocation = json!([{ "bill_id": entered["id"], "amount": eur("25.00") }]);
    let mut body = outgoing(&order, "30.00", allocation);
    body["received_on"] = json!(ago(1));
    books.pay(body).await.expect("paid");
    let shown = async |days: u64| amounts(&payables(days).await["totals"]);
    let rest = ["0.00", "0.00", "0.00"];
    assert_eq!(shown(41).await, [&["0.00", "0.00"][..], &rest, &["0.00", "0.00", "0.00"]].concat());
    assert_eq!(
        shown(2).await,
        [&["0.00", "60.00"][..], &rest, &["0.00", "0.00", "60.00"]].concat()
    );
    assert_eq!(
        shown(0).await,
        [&["0.00", "35.00"][..], &rest, &["0.00", "5.00", "30.00"]].concat()
    );
    let row = payables(0).await["data"][0].clone();
    assert_eq!(
        (&row["supplier_id"], &row["supplier_name"]),
        (&json!(order.supplier_id), &json!("Ostsee AG"))
    );
    books.assert_laws().await;
}
