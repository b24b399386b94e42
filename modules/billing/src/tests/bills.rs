//! Suppliers' bills: the three-way match, approval and rejection.

use std::sync::Arc;

use chrono::Days;
use contracts::events::BillApproved;
use contracts::ids::{BillId, PurchaseOrderLineId};
use kernel::Ctx;
use kernel::events::{EventData, Subscriber};
use kernel::token::Permissions;
use serde_json::json;

use crate::tests::documents::{bill, purchase_order, receipt, stock_received};
use crate::tests::support::{Books, count_statements, eur, event, id, refused, today, user};

/// Somebody who may do anything, with a reason.
fn with_reason() -> Ctx {
    let mut ctx = user();
    ctx.reason = Some("agreed by phone".into());
    ctx
}

#[tokio::test]
async fn a_bill_that_matches_is_approved_and_posted() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.10"), ("3", "0.335")]);
    books.hear(&order).await;
    let receipt = receipt(&order, &[(0, "10"), (1, "3")]);
    books.hear(&receipt).await;
    let stock = stock_received(&receipt);
    books.hear(&stock).await;
    assert_eq!(books.balance("2100").await, -4201);
    let lines = [(0, "10", "4.10"), (1, "3", "0.335")];
    let entered = books.enter_bill(bill(&order, "R-1", &lines)).await.expect("entered");
    assert_eq!(entered["status"], "matched");
    assert_eq!(entered["exceptions"], json!([]));
    assert_eq!(entered["due_on"], json!(today() + Days::new(30)));
    assert_eq!(entered["total"], eur("50.41"));
    assert_eq!(books.balance("2000").await, 0);
    let approved = books.approve(&user(), id(&entered)).await.expect("approved");
    assert_eq!((&approved["status"], &approved["open"]), (&json!("approved"), &eur("50.41")));
    let posted = books.posted(id::<()>(&entered).uuid()).await;
    let expected = [("2100", 4201), ("1300", 840), ("2000", -5041)];
    assert_eq!(posted, expected.map(|(code, amount)| (code.to_owned(), amount)));
    assert_eq!(books.balance("2100").await, 0);
    let told = &books.published(BillApproved::TYPE).await[0];
    assert_eq!(told["lines"][0]["quantity"], "10");
    refused(books.approve(&user(), id(&entered)).await, 409, "illegal_transition");
    refused(books.reject(id(&entered)).await, 409, "illegal_transition");
    refused(books.approve(&user(), BillId::new()).await, 404, "not_found");
    books.assert_laws().await;
}

#[tokio::test]
async fn a_bill_of_nothing_is_settled_at_once() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "0.00")]);
    books.hear(&order).await;
    books.hear(&receipt(&order, &[(0, "10")])).await;
    let entered = bill(&order, "R-1", &[(0, "10", "0.00")]);
    let entered = books.enter_bill(entered).await.expect("entered");
    let approved = books.approve(&user(), id(&entered)).await.expect("approved");
    assert_eq!((&approved["status"], &approved["open"]), (&json!("settled"), &eur("0.00")));
    assert_eq!(books.posted(id::<()>(&entered).uuid()).await, []);
    books.assert_laws().await;
}

#[tokio::test]
async fn exceptions_say_what_was_expected() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.10"), ("10", "2.00")]);
    books.hear(&order).await;
    books.hear(&receipt(&order, &[(0, "4")])).await;
    let lines = [(0, "5", "4.20"), (1, "1", "2.00")];
    let entered = books.enter_bill(bill(&order, "R-1", &lines)).await.expect("entered");
    assert_eq!(entered["status"], "exception");
    assert_eq!(
        entered["exceptions"],
        json!([
            {"line": 0, "reason": "quantity", "expected": "4", "actual": "5"},
            {"line": 0, "reason": "price", "expected": "4.10", "actual": "4.20"},
            {"line": 1, "reason": "no_receipt", "expected": "0", "actual": "1"}
        ])
    );
    books.assert_laws().await;
}

#[tokio::test]
async fn an_exception_is_approved_only_by_permission_and_with_a_reason() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.00")]);
    books.hear(&order).await;
    let entered =
        books.enter_bill(bill(&order, "R-1", &[(0, "10", "5.00")])).await.expect("entered");
    let mut clerk = with_reason();
    clerk.permissions = Arc::new(Permissions::new(vec!["billing.bill:approve".into()]));
    refused(books.approve(&clerk, id(&entered)).await, 403, "permission_denied");
    refused(books.approve(&user(), id(&entered)).await, 422, "reason_required");
    let approved = books.approve(&with_reason(), id(&entered)).await.expect("approved");
    assert_eq!(approved["override_reason"], "agreed by phone");
    assert_eq!(approved["exceptions"].as_array().expect("kept").len(), 2);
    // 40.00 at the price ordered, 10.00 too dear, 10.00 tax.
    let posted = books.posted(id::<()>(&entered).uuid()).await;
    let expected = [("2100", 4000), ("1300", 1000), ("5100", 1000), ("2000", -6000)];
    assert_eq!(posted, expected.map(|(code, amount)| (code.to_owned(), amount)));
    books.assert_laws().await;
    // The goods come later, in two parts.
    for part in ["4", "6"] {
        let receipt = receipt(&order, &[(0, part)]);
        books.hear(&receipt).await;
        books.hear(&stock_received(&receipt)).await;
        books.assert_laws().await;
    }
    assert_eq!(books.balance("2100").await, 0);
    // All is billed: another bill matches nothing.
    let more = books.enter_bill(bill(&order, "R-2", &[(0, "1", "4.00")])).await.expect("entered");
    assert_eq!(more["exceptions"][0]["reason"], "quantity");
}

#[tokio::test]
async fn waiting_bills_match_when_goods_arrive_the_oldest_first() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.00")]);
    books.hear(&order).await;
    let first = books.enter_bill(bill(&order, "R-1", &[(0, "6", "4.00")])).await.expect("entered");
    let second = books.enter_bill(bill(&order, "R-2", &[(0, "4", "4.00")])).await.expect("entered");
    let statuses = async || {
        let (first, second) = (books.bill(id(&first)).await, books.bill(id(&second)).await);
        [first["status"].clone(), second["status"].clone()]
    };
    assert_eq!(statuses().await, ["exception", "exception"]);
    let told = receipt(&order, &[(0, "6")]);
    let event = books.hear(&told).await;
    books.service.handle(&event).await.expect("twice delivered, once applied");
    assert_eq!(statuses().await, ["matched", "exception"]);
    let waiting = books.bill(id(&second)).await;
    // It waited for a receipt; now it waits for more of one.
    assert_eq!(waiting["exceptions"][0]["reason"], "quantity");
    assert_eq!(waiting["version"], 2);
    books.assert_laws().await;
    // The first is rejected: what it had taken is the second's.
    books.reject(id(&first)).await.expect("rejected");
    assert_eq!(statuses().await, ["rejected", "matched"]);
    books.assert_laws().await;
    // A rejected bill may come again.
    let again = books.enter_bill(bill(&order, "R-1", &[(0, "2", "4.00")])).await.expect("entered");
    assert_eq!(again["status"], "matched");
    let third = books.enter_bill(bill(&order, "R-3", &[(0, "1", "4.00")])).await.expect("entered");
    assert_eq!(third["status"], "exception");
    books.reject(id(&third)).await.expect("an exception had taken nothing");
    books.assert_laws().await;
}

/// More exceptions than are matched anew at a time, and goods help none of them.
#[tokio::test]
async fn bills_that_never_match_hide_none_that_does() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "10.00"), ("10", "1.00")]);
    books.hear(&order).await;
    for number in 0..100 {
        // Too dear, or more than will come.
        let line = if number % 2 == 0 { (0, "1", "11.00") } else { (0, "10", "10.00") };
        let body = bill(&order, &format!("R-{number}"), &[line, (1, "1", "1.00")]);
        books.enter_bill(body).await.expect("entered");
    }
    let lines = [(0, "2", "10.00"), (1, "2", "1.00")];
    let good = books.enter_bill(bill(&order, "R-100", &lines)).await.expect("entered");
    books.hear(&receipt(&order, &[(0, "2")])).await;
    assert_eq!(books.bill(id(&good)).await["status"], "exception", "one line has not come");
    books.hear(&receipt(&order, &[(1, "2")])).await;
    assert_eq!(books.bill(id(&good)).await["status"], "matched");
    books.assert_laws().await;
}

#[tokio::test]
async fn a_suppliers_invoice_is_entered_once() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.00")]);
    books.hear(&order).await;
    books.hear(&receipt(&order, &[(0, "10")])).await;
    let body = bill(&order, "R-1", &[(0, "1", "4.00")]);
    books.enter_bill(body.clone()).await.expect("entered");
    refused(books.enter_bill(body).await, 409, "duplicate_bill");
    let other = purchase_order(&[("10", "4.00")]);
    books.hear(&other).await;
    books.enter_bill(bill(&other, "R-1", &[(0, "1", "4.00")])).await.expect("another supplier's");
    books.assert_laws().await;
}

#[tokio::test]
async fn what_a_bill_refers_to_must_be_known() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.00")]);
    let body = bill(&order, "R-1", &[(0, "1", "4.00")]);
    refused(books.enter_bill(body.clone()).await, 422, "unknown_purchase_order");
    books.hear(&order).await;
    let other = purchase_order(&[("10", "4.00")]);
    books.hear(&other).await;
    let with = |field: &str, value| {
        let mut body = body.clone();
        body[field] = value;
        body
    };
    let check = async |body, status, code| refused(books.enter_bill(body).await, status, code);
    check(with("supplier_id", json!(other.supplier_id)), 422, "other_supplier").await;
    let line = &body["lines"][0];
    check(with("lines", json!([])), 422, "no_lines").await;
    check(with("lines", json!(vec![line; 5001])), 422, "too_many_lines").await;
    check(with("lines", json!([line, line])), 422, "duplicate_line").await;
    let mut unknown = line.clone();
    unknown["purchase_order_line_id"] = json!(PurchaseOrderLineId::new());
    check(with("lines", json!([unknown])), 422, "unknown_purchase_order_line").await;
    let foreign = bill(&other, "R-1", &[(0, "1", "4.00")])["lines"].clone();
    check(with("lines", foreign), 422, "unknown_purchase_order_line").await;
    check(with("billed_on", json!(today() + Days::new(1))), 422, "date_in_future").await;
    check(with("due_on", json!(today() - Days::new(1))), 422, "due_before_billed").await;
    check(with("due_on", json!("+12026-01-01")), 422, "date_out_of_range").await;
    let mut huge = line.clone();
    huge["quantity"] = json!("999999999");
    huge["unit_price"] = json!("999999999");
    check(with("lines", json!([huge])), 422, "amount_overflow").await;
    books.enter_bill(body).await.expect("entered");
    books.assert_laws().await;
}

#[tokio::test]
async fn events_may_come_in_any_order_across_modules() {
    let books = Books::open().await;
    let order = purchase_order(&[("3", "0.335")]);
    let receipts = ["1", "1", "1"].map(|part| receipt(&order, &[(0, part)]));
    // Inventory is first to tell; purchasing's receipt must wait for the order.
    books.hear(&stock_received(&receipts[0])).await;
    refused(books.service.handle(&event(&receipts[0])).await, 503, "purchase_order_unknown");
    books.hear(&order).await;
    // An order told twice is copied once.
    books.hear(&order).await;
    for receipt in &receipts {
        books.hear(receipt).await;
    }
    let entered =
        books.enter_bill(bill(&order, "R-1", &[(0, "3", "0.335")])).await.expect("entered");
    assert_eq!(entered["status"], "matched");
    books.approve(&user(), id(&entered)).await.expect("approved before all values are known");
    books.assert_laws().await;
    for receipt in &receipts[1..] {
        let stock = stock_received(receipt);
        books.hear(&stock).await;
        // The same receipt by another event changes nothing.
        books.hear(&stock).await;
        books.assert_laws().await;
    }
    // 3 × 0.335 arrived as 3 × 0.34: the cent the bill did not take off is a variance.
    assert_eq!(books.balance("2100").await, 0);
    assert_eq!(books.balance("1200").await, 102);
}

#[tokio::test]
async fn statements_do_not_grow_with_lines() {
    let books = Books::open().await;
    let mut counts = Vec::new();
    for many in [1, 1000] {
        let order = purchase_order(&vec![("10", "4.00"); many]);
        let all: Vec<_> = (0..many).map(|index| (index, "5")).collect();
        let told = receipt(&order, &all);
        let stock = stock_received(&told);
        let lines: Vec<_> = (0..many).map(|index| (index, "5", "4.00")).collect();
        let body = bill(&order, &format!("R-{many}"), &lines);
        let mut count = Vec::new();
        count.push(count_statements(books.hear(&order)).await.1);
        let (waiting, entering) = count_statements(books.enter_bill(body)).await;
        let waiting = waiting.expect("entered");
        count.push(entering);
        count.push(count_statements(books.hear(&told)).await.1);
        count.push(count_statements(books.hear(&stock)).await.1);
        let (approved, approving) = count_statements(books.approve(&user(), id(&waiting))).await;
        assert_eq!(approved.expect("approved")["status"], "approved");
        count.push(approving);
        counts.push(count);
    }
    assert_eq!(counts[0], counts[1], "order, bill, receipt, stock, approval");
    books.assert_laws().await;
}
