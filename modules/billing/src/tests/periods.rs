//! What is closed stays as it is: whoever posts in it is refused, and what posts by itself goes
//! on the first open day.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use contracts::events::{
    PurchaseOrderApproved, StockAdjusted, StockIssued, StockReceived, StockReturned,
};
use contracts::ids::{
    OrderId, PeriodLockId, ProductId, ReturnId, ShipmentId, StockMoveId, WarehouseId,
};
use kernel::db::lock_table;
use kernel::events::EventData;
use kernel::money::{Currency, Money};
use kernel::quantity::Quantity;
use kernel::token::Permissions;
use kernel::{Ctx, Result};
use sea_orm::{ActiveModelTrait, IntoActiveModel};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::entities::journal_entry::SourceType;
use crate::entities::period_lock;
use crate::entities::period_lock::{PeriodLockKind, PeriodLockStatus};
use crate::routes::journal_entries::JournalEntry;
use crate::service::journal::{Entry, account, post};
use crate::tests::documents::{
    bill, customer, incoming, outgoing, purchase_order, receipt, shipment, stock_received,
};
use crate::tests::support::{Books, body_of, count_statements, id, read, refused, today, user};

fn days_ago(days: u64) -> NaiveDate {
    today() - Days::new(days)
}

/// Refused because the period is closed, where the date stands.
#[track_caller]
fn closed(outcome: Result<Value>, pointer: &str) {
    let error = outcome.expect_err("it must be refused");
    assert_eq!((error.status(), error.code()), (422, "period_closed"), "{error:?}");
    assert_eq!(error.fields()[0].pointer, pointer);
}

/// Somebody who may do this and gives this reason.
fn who(permission: &str, reason: Option<&str>) -> Ctx {
    let mut ctx = user();
    ctx.permissions = Arc::new(Permissions::new(vec![permission.into()]));
    ctx.reason = reason.map(Into::into);
    ctx
}

fn dated(mut body: Value, field: &str, on: NaiveDate) -> Value {
    body[field] = json!(on);
    body
}

/// The entry of a source.
async fn entry_of(books: &Books, source_id: Uuid) -> JournalEntry {
    let query = read(json!({ "source_id": source_id }));
    let page = books.service.list_journal_entries(query).await.expect("a page");
    page.data.into_iter().next().expect("it is posted")
}

/// An entry that no caller dated.
fn entry(on: NaiveDate) -> Entry {
    Entry {
        source_type: SourceType::StockMove,
        source_id: Uuid::now_v7(),
        entry_on: on,
        document_on: on,
        description: "a try".into(),
        currency: Currency::EUR,
        postings: vec![(account::INVENTORY, 5), (account::INVENTORY_ADJUSTMENTS, -5)],
    }
}

#[tokio::test]
async fn periods_are_closed_forwards_and_reopened_backwards() {
    let books = Books::open().await;
    let (january, february, march) = (days_ago(90), days_ago(60), days_ago(30));
    refused(books.close(today(), "soft").await, 422, "period_not_over");
    refused(books.close(today() + Days::new(9), "hard").await, 422, "period_not_over");
    let first = books.close(january, "soft").await.expect("closed");
    assert_eq!((&first["status"], &first["version"]), (&json!("closed"), &json!(1)));
    assert_eq!(first["allowed_actions"], json!(["reopen"]));
    refused(books.close(january, "soft").await, 409, "period_already_closed");
    refused(books.close(days_ago(91), "soft").await, 409, "period_already_closed");
    books.close(february, "soft").await.expect("closed");
    books.close(march, "soft").await.expect("closed");
    refused(books.reopen(february).await, 409, "later_period_closed");
    // What is closed softly can be made hard; and what is hard is never taken back.
    let hard = books.close(january, "hard").await.expect("closed");
    assert_eq!(hard["allowed_actions"], json!([]));
    refused(books.close(january, "hard").await, 409, "period_already_closed");
    let reopened = books.reopen(march).await.expect("reopened");
    assert_eq!((&reopened["status"], &reopened["version"]), (&json!("reopened"), &json!(2)));
    assert_eq!(reopened["reopen_reason"], "an invoice came late");
    refused(books.reopen(march).await, 409, "illegal_transition");
    books.reopen(february).await.expect("reopened");
    for lock in [&hard, &first] {
        let reason = read(json!({ "reason": "please" }));
        let outcome = books.service.reopen_period_lock(&user(), id(lock), reason).await;
        refused(outcome, 409, "period_locked_hard");
    }
    books.close(march, "soft").await.expect("closed again");
    assert_eq!(books.published("billing.period.locked").await.len(), 5);
    let told = &books.published("billing.period.locked").await[3];
    let expected = json!({ "period_lock_id": hard["id"], "through": january, "is_hard": true });
    assert_eq!(told, &expected);
    books.assert_laws().await;
}

#[tokio::test]
async fn a_document_dated_in_what_is_closed_is_refused() {
    for kind in ["soft", "hard"] {
        let books = Books::open().await;
        let customer = customer();
        let lines = [("1", "100.00", "standard")];
        let old = books.drafted(&shipment(&customer, &lines)).await;
        let issued = books.issue(id(&old), json!({ "issued_on": days_ago(400) })).await;
        let issued = issued.expect("issued");
        let draft = books.drafted(&shipment(&customer, &lines)).await;
        // One of nothing is not posted, and is dated all the same.
        let free = books.drafted(&shipment(&customer, &[("1", "0.00", "standard")])).await;
        let order = purchase_order(&[("1", "1.00")]);
        books.hear(&order).await;
        let lock = books.close(days_ago(5), kind).await.expect("closed");
        for on in [days_ago(5), days_ago(400)] {
            for draft in [&draft, &free] {
                let issued = books.issue(id(draft), json!({ "issued_on": on })).await;
                closed(issued, "/issued_on");
            }
            let note = json!({ "issued_on": on, "reason": "one came broken" });
            closed(books.credit(id(&issued), note).await, "/issued_on");
            let payment = dated(incoming(&customer, "1.00", json!([])), "received_on", on);
            closed(books.pay(payment).await, "/received_on");
            let payment = outgoing(&order, "1.00", json!([]));
            closed(books.pay(dated(payment, "received_on", on)).await, "/received_on");
        }
        // No number is used, and the day after is open.
        let payment = dated(incoming(&customer, "1.00", json!([])), "received_on", days_ago(4));
        books.pay(payment).await.expect("that day is open");
        let next = books.issue(id(&draft), json!({})).await.expect("today is open");
        let number = format!("INV-{}-000001", today().format("%Y"));
        assert_eq!(next["number"], json!(number));
        if kind == "soft" {
            let reason = read(json!({ "reason": "one more" }));
            books.service.reopen_period_lock(&user(), id(&lock), reason).await.expect("reopened");
            let payment = dated(incoming(&customer, "1.00", json!([])), "received_on", days_ago(5));
            books.pay(payment).await.expect("it is open again");
        }
        books.assert_laws().await;
    }
}

#[tokio::test]
async fn through_a_soft_lock_posts_who_may_and_says_why() {
    let books = Books::open().await;
    books.close(days_ago(20), "hard").await.expect("closed");
    books.close(days_ago(10), "soft").await.expect("closed");
    let pay = async |ctx: Ctx, days: u64| {
        let body = dated(incoming(&customer(), "1.00", json!([])), "received_on", days_ago(days));
        body_of(books.service.create_payment(&ctx, read(body)).await?).await
    };
    let may = "billing.period_lock:override";
    closed(pay(who(may, None), 10).await, "/received_on");
    closed(pay(who("billing.payment:create", Some("late")), 10).await, "/received_on");
    closed(pay(who(may, Some("late")), 20).await, "/received_on");
    let paid = pay(who(may, Some("the bank was late")), 10).await.expect("an exception");
    let posted = entry_of(&books, id::<()>(&paid).uuid()).await;
    assert_eq!(posted.exception_reason.as_deref(), Some("the bank was late"));
    assert_eq!((posted.entry_on, posted.document_on), (days_ago(10), None));
    // Where nothing is closed there is no exception.
    let paid = pay(who(may, Some("no matter")), 9).await.expect("paid");
    assert_eq!(entry_of(&books, id::<()>(&paid).uuid()).await.exception_reason, None);
    books.assert_laws().await;
}

#[tokio::test]
async fn what_posts_by_itself_goes_on_the_first_open_day() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.00")]);
    books.hear(&order).await;
    books.close(days_ago(20), "hard").await.expect("closed");
    books.close(days_ago(3), "soft").await.expect("closed");
    let cost = Money::new(700, Currency::EUR);
    for (on, expected) in [(30, (2, Some(30))), (3, (2, Some(3))), (2, (2, None)), (0, (0, None))] {
        let on = days_ago(on);
        let expected = (days_ago(expected.0), expected.1.map(days_ago));
        let (issued, returned, adjusted, received) = told(on, cost, &order);
        let sources = [
            issued.shipment_id.uuid(),
            returned.return_id.uuid(),
            adjusted.move_id.uuid(),
            received.receipt_id.uuid(),
        ];
        hear_twice(&books, &issued).await;
        hear_twice(&books, &returned).await;
        hear_twice(&books, &adjusted).await;
        hear_twice(&books, &received).await;
        for source in sources {
            let entry = entry_of(&books, source).await;
            assert_eq!((entry.entry_on, entry.document_on), expected, "{entry:?}");
        }
    }
    books.assert_laws().await;
}

async fn hear_twice<T: EventData>(books: &Books, told: &T) {
    books.hear(told).await;
    books.hear(told).await;
}

/// What inventory tells of a day.
fn told(
    on: NaiveDate,
    cost: Money,
    order: &PurchaseOrderApproved,
) -> (StockIssued, StockReturned, StockAdjusted, StockReceived) {
    let issued = StockIssued {
        shipment_id: ShipmentId::new(),
        order_id: OrderId::new(),
        issued_on: on,
        lines: Vec::new(),
        cost,
    };
    let returned = StockReturned {
        return_id: ReturnId::new(),
        order_id: issued.order_id,
        returned_on: on,
        lines: Vec::new(),
        cost,
        scrapped: Vec::new(),
    };
    let adjusted = StockAdjusted {
        move_id: StockMoveId::new(),
        product_id: ProductId::new(),
        warehouse_id: WarehouseId::new(),
        adjusted_on: on,
        quantity: Quantity::ONE,
        value: cost,
        reason: "stock take".into(),
        is_cost_of_sales: false,
    };
    let mut received = stock_received(&receipt(order, &[(0, "1")]));
    received.received_on = on;
    (issued, returned, adjusted, received)
}

/// The paper keeps its day; what we owe counts from the day it is posted, as in the journal.
#[tokio::test]
async fn a_bill_approved_after_its_period_was_closed_is_posted_on_the_first_open_day() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.00")]);
    books.hear(&order).await;
    let receipt = receipt(&order, &[(0, "10")]);
    books.hear(&receipt).await;
    books.hear(&stock_received(&receipt)).await;
    let entered = dated(bill(&order, "R-1", &[(0, "4", "4.00")]), "billed_on", days_ago(4));
    let early = books.enter_bill(entered).await.expect("entered");
    books.close(days_ago(2), "soft").await.expect("closed");
    let entered = dated(bill(&order, "R-2", &[(0, "2", "4.00")]), "billed_on", days_ago(5));
    let late = books.enter_bill(entered).await.expect("entered: nothing is posted");
    let entered = bill(&order, "R-3", &[(0, "1", "4.00")]);
    let current = books.enter_bill(entered).await.expect("entered");
    for (bill, posted_on, document_on) in [
        (&early, days_ago(1), Some(days_ago(4))),
        (&late, days_ago(1), Some(days_ago(5))),
        (&current, today(), None),
    ] {
        assert_eq!(bill.get("posted_on"), None);
        let approved = books.approve(&user(), id(bill)).await.expect("approved");
        assert_eq!(approved["posted_on"], json!(posted_on));
        assert_eq!(approved["billed_on"], bill["billed_on"]);
        let entry = entry_of(&books, id::<()>(bill).uuid()).await;
        assert_eq!((entry.entry_on, entry.document_on), (posted_on, document_on));
    }
    let paid = json!([{ "bill_id": early["id"], "amount": early["total"] }]);
    books.pay(outgoing(&order, "19.20", paid)).await.expect("paid");
    // Ageing comes to the account of payables as of every day.
    books.assert_laws().await;
}

#[tokio::test]
async fn closing_waits_for_what_has_been_posted_and_not_committed() {
    let books = Books::open().await;
    let tx = books.service.db.begin(&user()).await.expect("a transaction");
    let entry = entry(days_ago(9));
    let source_id = entry.source_id;
    post(&tx, entry).await.expect("the period is open");
    let mut closing = pin!(books.close(days_ago(9), "hard"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut closing).await;
    assert!(early.is_err(), "it is closed although somebody posts in it: {early:?}");
    let (committed, closed) = tokio::join!(tx.commit(), closing);
    committed.expect("committed");
    closed.expect("closed");
    assert_eq!(books.posted(source_id).await.len(), 2);
    books.assert_laws().await;
}

#[tokio::test]
async fn posting_waits_for_the_period_that_is_being_closed() {
    let books = Books::open().await;
    let tx = books.service.db.begin(&user()).await.expect("a transaction");
    lock_table(&*tx, "journal_entries").await.expect("locked");
    let row = period_lock::Model {
        id: PeriodLockId::new(),
        through: days_ago(9),
        kind: PeriodLockKind::Soft,
        status: PeriodLockStatus::Closed,
        reason: "the month is done".into(),
        closed_at: tx.now(),
        reopened_at: None,
        reopen_reason: None,
        version: 1,
        updated_at: tx.now(),
    };
    row.into_active_model().insert(&*tx).await.expect("written");
    let mut posting = pin!(async {
        let tx = books.service.db.begin(&user()).await?;
        post(&tx, entry(days_ago(9))).await?;
        tx.commit().await
    });
    let early = tokio::time::timeout(Duration::from_millis(300), &mut posting).await;
    assert!(early.is_err(), "it is posted in what is being closed: {early:?}");
    let (committed, posted) = tokio::join!(tx.commit(), posting);
    committed.expect("committed");
    refused(posted, 503, "transaction_aborted");
    books.assert_laws().await;
}

/// An ordinary sale is dated today, and today is never closed: nothing is looked up for it.
#[tokio::test]
async fn what_is_dated_today_costs_no_statement_more() {
    let books = Books::open().await;
    let customer = customer();
    let pay = async |on: NaiveDate| {
        let body = dated(incoming(&customer, "1.00", json!([])), "received_on", on);
        count_statements(async { books.pay(body).await.expect("paid") }).await.1
    };
    let (current, dated_back) = (pay(today()).await, pay(days_ago(1)).await);
    assert_eq!(current + 1, dated_back);
    books.close(days_ago(9), "soft").await.expect("closed");
    assert_eq!((pay(today()).await, pay(days_ago(1)).await), (current, dated_back));
}
