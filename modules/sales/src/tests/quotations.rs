//! Quotations, where the clock or another module has a part in them.

use chrono::{Days, NaiveDate};
use contracts::billing::RoundingMode;
use contracts::events::{OrderCreated, QuotationAccepted};
use contracts::ids::{CustomerId, OrderId, QuotationId};
use contracts::sales::{FindQuotation, Sales};
use kernel::db::query_all;
use kernel::events::EventData;
use sea_orm::FromQueryResult;
use serde_json::json;

use super::world::{World, ctx, euro, today};
use crate::entities::quotation::Status;

fn days_ago(days: u64) -> NaiveDate {
    today() - Days::new(days)
}

/// A quotation with the customer since before it was over, as only time can make one.
async fn sent(world: &World, customer: CustomerId, valid_until: NaiveDate) -> QuotationId {
    let id = world.draft(customer, &["2", "1"], days_ago(10), valid_until).await;
    let sql = "UPDATE quotations SET status = 'sent' WHERE id = $1";
    world.sql(sql, vec![id.into()]).await.expect("sent");
    id
}

async fn published(world: &World) -> Vec<(String, QuotationAccepted)> {
    #[derive(FromQueryResult)]
    struct Row {
        r#type: String,
        data: String,
    }
    let sql = "SELECT type, data FROM events ORDER BY seq";
    let rows: Vec<Row> = query_all(world.service.db.read(), sql, vec![]).await.expect("read");
    rows.into_iter()
        .map(|row| (row.r#type, serde_json::from_str(&row.data).expect("a quotation")))
        .collect()
}

#[tokio::test]
async fn what_is_over_can_be_neither_sent_nor_accepted() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let draft = world.draft(customer, &["1"], days_ago(10), days_ago(1)).await;
    let refused = world.service.send_quotation(&ctx(), draft).await.expect_err("over");
    assert_eq!((refused.status(), refused.code()), (409, "quotation_expired"));
    let late = sent(&world, customer, days_ago(1)).await;
    let refused = world.service.accept_quotation(&ctx(), late).await.expect_err("over");
    assert_eq!((refused.status(), refused.code()), (409, "quotation_expired"));
    assert_eq!(world.quotation(late).await.status, Status::Sent);
    let in_time = sent(&world, customer, today()).await;
    world.service.accept_quotation(&ctx(), in_time).await.expect("its last day");
    assert_eq!(published(&world).await.len(), 1);
}

#[tokio::test]
async fn the_clock_expires_what_was_sent_and_is_over_and_nothing_else() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let late = sent(&world, customer, days_ago(1)).await;
    let in_time = sent(&world, customer, today()).await;
    let draft = world.draft(customer, &["1"], days_ago(10), days_ago(1)).await;
    assert_eq!(world.service.expire_quotations(&ctx()).await.expect("run"), 1);
    assert_eq!(world.service.expire_quotations(&ctx()).await.expect("run"), 0);
    let row = world.quotation(late).await;
    assert_eq!((row.status, row.version), (Status::Expired, 2));
    assert_eq!(world.quotation(in_time).await.status, Status::Sent);
    assert_eq!(world.quotation(draft).await.status, Status::Draft);
    // Whether the clock has been round or not, the answer is the same.
    let refused = world.service.accept_quotation(&ctx(), late).await.expect_err("over");
    assert_eq!((refused.status(), refused.code()), (409, "quotation_expired"));
    let refused = world.service.reject_quotation(&ctx(), late).await.expect_err("over");
    assert_eq!(refused.code(), "illegal_transition");
}

#[tokio::test]
async fn orders_is_told_all_it_needs_of_an_accepted_quotation() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let id = sent(&world, customer, today()).await;
    let ctx = ctx();
    let find = || world.service.accepted_quotation(&ctx, FindQuotation { id });
    assert_eq!(find().await.expect_err("not yet").code(), "quotation_not_accepted");
    // The order is to go where the customer is now.
    world.sql("UPDATE customers SET name = 'Grace'", vec![]).await.expect("renamed");
    world.service.accept_quotation(&ctx, id).await.expect("accepted");
    let events = published(&world).await;
    let [(kind, accepted)] = events.as_slice() else {
        panic!("one event, not {}", events.len());
    };
    assert_eq!(kind, QuotationAccepted::TYPE);
    let row = world.quotation(id).await;
    let told = &accepted.quotation;
    assert_eq!((told.id, &told.number, told.warehouse_id), (id, &row.number, row.warehouse_id));
    assert_eq!((told.customer.id, told.customer.name.as_str()), (customer, "Grace"));
    assert_eq!(told.total, euro(3_600));
    let lines: Vec<_> = told
        .lines
        .iter()
        .map(|line| (line.quantity.to_string(), line.unit_price.to_string(), &*line.tax_class))
        .collect();
    let line = |quantity: &str| (quantity.to_owned(), "10.00".to_owned(), "standard");
    assert_eq!(lines, [line("2"), line("1")]);
    assert_eq!(json!(find().await.expect("accepted")), json!(told));
    let unknown = FindQuotation { id: QuotationId::new() };
    let refused = world.service.accepted_quotation(&ctx, unknown).await.expect_err("unknown");
    assert_eq!((refused.status(), refused.code()), (422, "unknown_quotation"));
}

#[tokio::test]
async fn a_quotation_becomes_one_order() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let id = sent(&world, customer, today()).await;
    let created = |order_id, quotation_id| OrderCreated {
        order_id,
        number: "SO-2026-000001".into(),
        quotation_id,
        customer_id: customer,
    };
    let (first, second) = (OrderId::new(), OrderId::new());
    world.tell(&created(first, Some(id))).await.expect("heard before it was accepted");
    assert_eq!(world.quotation(id).await.status, Status::Sent);
    world.service.accept_quotation(&ctx(), id).await.expect("accepted");
    world.tell(&created(first, Some(id))).await.expect("heard");
    world.tell(&created(first, Some(id))).await.expect("heard again");
    world.tell(&created(second, Some(id))).await.expect("passed over");
    world.tell(&created(OrderId::new(), None)).await.expect("of no quotation");
    world.tell(&created(OrderId::new(), Some(QuotationId::new()))).await.expect("of none we know");
    let row = world.quotation(id).await;
    assert_eq!((row.status, row.order_id), (Status::Converted, Some(first)));
    assert_eq!(row.order_number.as_deref(), Some("SO-2026-000001"));
    world.service.accepted_quotation(&ctx(), FindQuotation { id }).await.expect("still known");
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn nothing_new_is_promised_to_an_inactive_customer() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let draft = world.draft(customer, &["1"], today(), today()).await;
    let late = sent(&world, customer, today()).await;
    world.sql("UPDATE customers SET is_active = FALSE", vec![]).await.expect("deactivated");
    let refused = world.service.send_quotation(&ctx(), draft).await.expect_err("inactive");
    assert_eq!((refused.status(), refused.code()), (409, "customer_inactive"));
    let refused = world.service.accept_quotation(&ctx(), late).await.expect_err("inactive");
    assert_eq!(refused.code(), "customer_inactive");
    world.service.cancel_quotation(&ctx(), draft).await.expect("taken back");
}

#[tokio::test]
async fn a_patch_keeps_the_rounding_mode_and_prices_it_does_not_touch() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let id = world.draft(customer, &["3"], today(), today()).await;
    let patch = |value| serde_json::from_value(value).expect("a patch");
    let service = &world.service;
    service
        .update_quotation(&ctx(), id, patch(json!({"prices_include_tax": true})))
        .await
        .expect("ok");
    let row = world.quotation(id).await;
    assert_eq!((row.net_minor, row.tax_minor, row.total_minor), (2_500, 500, 3_000));
    assert_eq!(row.rounding_mode, "per_line");
    let asked = world.till.asked.lock().expect("whole").clone();
    assert_eq!(asked, [None, Some(RoundingMode::PerLine)]);
    let until = today() + Days::new(7);
    service.update_quotation(&ctx(), id, patch(json!({"valid_until": until}))).await.expect("ok");
    let row = world.quotation(id).await;
    assert_eq!((row.valid_until, row.total_minor, row.version), (until, 3_000, 3));
    assert!(world.broken_laws().await.is_empty());
}
