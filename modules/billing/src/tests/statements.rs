//! Profit and loss, and the balance sheet.

use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Value, json};

use crate::tests::documents::{
    bill, customer, incoming, outgoing, purchase_order, receipt, shipment, stock_received,
};
use crate::tests::support::{Books, eur, id, read, refused, today, user};

async fn profit(books: &Books, from: NaiveDate, to: NaiveDate) -> Value {
    let period = read(json!({ "from": from, "to": to }));
    json!(books.service.profit_and_loss(period).await.expect("a statement"))
}

async fn sheet(books: &Books, as_of: NaiveDate) -> Value {
    json!(books.service.balance_sheet(Some(as_of)).await.expect("a statement"))
}

/// The amount of an account in a section.
fn amount(section: &Value, code: &str) -> Value {
    let lines = section["accounts"].as_array().expect("accounts");
    lines.iter().find(|line| line["code"] == code).expect("the account")["amount"].clone()
}

#[tokio::test]
async fn what_was_earned_is_equity() {
    let books = Books::open().await;
    let customer = customer();
    let last_year = NaiveDate::from_ymd_opt(today().year() - 1, 12, 31).expect("a day");
    let issued = async |amount: &str, on: NaiveDate| {
        let draft = books.drafted(&shipment(&customer, &[("1", amount, "standard")])).await;
        books.issue(id(&draft), json!({ "issued_on": on })).await.expect("issued")
    };
    issued("100.00", last_year).await;
    let invoice = issued("50.00", today()).await;
    let allocations = json!([{ "invoice_id": invoice["id"], "amount": eur("60.00") }]);
    books.pay(incoming(&customer, "70.00", allocations)).await.expect("paid");
    let order = purchase_order(&[("10", "4.00")]);
    books.hear(&order).await;
    let receipt = receipt(&order, &[(0, "10")]);
    books.hear(&receipt).await;
    books.hear(&stock_received(&receipt)).await;
    // A cent more for each than ordered.
    let entered = books.enter_bill(bill(&order, "R-1", &[(0, "10", "4.01")])).await;
    let entered = entered.expect("entered");
    books.approve(&user(), id(&entered)).await.expect("approved");
    books.pay(outgoing(&order, "8.12", json!([]))).await.expect("paid");

    let new_year = last_year + Days::new(1);
    let shown = profit(&books, new_year, today()).await;
    assert_eq!(amount(&shown["income"], "4000"), eur("50.00"));
    assert_eq!(amount(&shown["expenses"], "5100"), eur("0.10"));
    assert_eq!(shown["result"], eur("49.90"));
    let year = books.service.profit_and_loss(read(json!({}))).await.expect("a statement");
    assert_eq!(json!(year), shown);
    assert_eq!(profit(&books, last_year, last_year).await["result"], eur("100.00"));

    let shown = sheet(&books, today()).await;
    assert_eq!(amount(&shown["assets"], "1000"), eur("61.88"));
    assert_eq!(amount(&shown["assets"], "1100"), eur("110.00"));
    assert_eq!(amount(&shown["assets"], "1200"), eur("40.00"));
    assert_eq!(amount(&shown["liabilities"], "2000"), eur("40.00"));
    assert_eq!(amount(&shown["liabilities"], "2200"), eur("30.00"));
    let equity = &shown["equity"];
    assert_eq!(equity["retained_earnings"], eur("100.00"));
    assert_eq!((&equity["result_of_year"], &equity["total"]), (&eur("49.90"), &eur("149.90")));
    assert_eq!(shown["assets"]["total"], shown["liabilities_and_equity"]);
    assert_eq!(shown["difference"], eur("0.00"));
    let before = sheet(&books, last_year).await;
    assert_eq!(before["equity"]["retained_earnings"], eur("0.00"));
    assert_eq!(before["equity"]["result_of_year"], eur("100.00"));
    let none = sheet(&books, last_year - Days::new(1)).await;
    assert_eq!(none["assets"]["total"], eur("0.00"));
    books.assert_laws().await;
}

#[tokio::test]
async fn a_period_has_a_beginning_before_its_end() {
    let books = Books::open().await;
    let period = read(json!({ "from": today(), "to": today() - Days::new(1) }));
    refused(books.service.profit_and_loss(period).await, 400, "invalid_query");
    let ancient: NaiveDate = "1066-10-14".parse().expect("a date");
    refused(books.service.balance_sheet(Some(ancient)).await, 400, "invalid_query");
    let period = read(json!({ "from": ancient }));
    refused(books.service.profit_and_loss(period).await, 400, "invalid_query");
    assert_eq!(profit(&books, today(), today()).await["result"], eur("0.00"));
    assert_eq!(sheet(&books, today()).await["difference"], eur("0.00"));
}
