//! What orders makes of the events of others.

use contracts::billing::RoundingMode;
use contracts::events::{
    BackorderFilled, BackorderPromised, CreditApplied, CreditNoteIssued, CreditedLine,
    InvoiceIssued, LinePromise, OrderLineQuantity, PaymentApplied, PaymentUnapplied,
    QuotationAccepted, RefundMade, RefundReversed, RefundedOrder, ReservationBroken,
};
use contracts::ids::{
    CreditNoteId, CustomerId, InvoiceId, OrderId, OrderLineId, PaymentId, QuotationId, RefundId,
    ShipmentId,
};
use contracts::sales::{QuotationSnapshot, QuotedLine};
use kernel::events::Subscriber;
use kernel::money::{Currency, Percent, UnitPrice};
use serde_json::{Value, json};

use super::world::{World, ctx, eur, event, id, units};
use crate::routes::orders::{ListOrders, NewOrder};

fn part(line: OrderLineId, quantity: i64) -> OrderLineQuantity {
    OrderLineQuantity { order_line_id: line, quantity: units(quantity) }
}

pub(super) fn filled(order: OrderId, line: OrderLineId, quantity: i64) -> BackorderFilled {
    BackorderFilled { order_id: order, lines: vec![part(line, quantity)] }
}

pub(super) fn broken(order: OrderId, line: OrderLineId, quantity: i64) -> ReservationBroken {
    ReservationBroken { order_id: order, lines: vec![part(line, quantity)] }
}

pub(super) fn invoiced(
    order: OrderId,
    line: OrderLineId,
    quantity: i64,
    minor: i64,
) -> InvoiceIssued {
    let today = chrono::Utc::now().date_naive();
    InvoiceIssued {
        invoice_id: InvoiceId::new(),
        number: "IN-2026-000001".into(),
        order_id: order,
        shipment_id: ShipmentId::new(),
        customer_id: CustomerId::new(),
        issued_on: today,
        due_on: today,
        total: eur(minor),
        lines: vec![part(line, quantity)],
    }
}

pub(super) fn credited(
    order: OrderId,
    line: OrderLineId,
    quantity: i64,
    minor: i64,
) -> CreditNoteIssued {
    CreditNoteIssued {
        credit_note_id: CreditNoteId::new(),
        number: "CN-2026-000001".into(),
        invoice_id: InvoiceId::new(),
        order_id: order,
        customer_id: CustomerId::new(),
        issued_on: chrono::Utc::now().date_naive(),
        total: eur(minor),
        lines: vec![CreditedLine { line: part(line, quantity), net: eur(minor) }],
    }
}

pub(super) fn paid(order: OrderId, minor: i64) -> PaymentApplied {
    PaymentApplied {
        payment_id: PaymentId::new(),
        invoice_id: InvoiceId::new(),
        order_id: order,
        customer_id: CustomerId::new(),
        amount: eur(minor),
        invoice_open: eur(0),
    }
}

pub(super) fn unpaid(order: OrderId, minor: i64) -> PaymentUnapplied {
    PaymentUnapplied {
        payment_id: PaymentId::new(),
        invoice_id: InvoiceId::new(),
        order_id: order,
        customer_id: CustomerId::new(),
        amount: eur(minor),
        invoice_open: eur(minor),
    }
}

/// Credit of an order's note that settles an invoice of another order, or of the same.
pub(super) fn applied(from: OrderId, to: OrderId, minor: i64) -> CreditApplied {
    CreditApplied {
        credit_note_id: CreditNoteId::new(),
        credited_order_id: from,
        invoice_id: InvoiceId::new(),
        order_id: to,
        customer_id: CustomerId::new(),
        amount: eur(minor),
        invoice_open: eur(0),
    }
}

pub(super) fn refunded(order: OrderId, minor: i64) -> RefundMade {
    RefundMade {
        refund_id: RefundId::new(),
        customer_id: CustomerId::new(),
        refunded_on: chrono::Utc::now().date_naive(),
        amount: eur(minor),
        orders: vec![RefundedOrder { order_id: order, amount: eur(minor) }],
    }
}

pub(super) fn refund_reversed(order: OrderId, minor: i64) -> RefundReversed {
    let RefundMade { refund_id, customer_id, refunded_on, amount, orders } = refunded(order, minor);
    RefundReversed { refund_id, customer_id, reversed_on: refunded_on, amount, orders }
}

#[tokio::test]
async fn a_filled_backorder_is_reserved_once_and_only_as_far_as_it_waits() {
    let world = World::new().await;
    let order = world.confirmed(&[104], true).await;
    let line = world.line(order, 0).await;
    let told = event(&filled(order, line, 3));
    world.service.handle(&told).await.expect("applied");
    world.service.handle(&told).await.expect("known already");
    assert_eq!(world.counter(order, 0, "reserved").await, "103");
    assert_eq!(world.counter(order, 0, "backordered").await, "1");

    // Cancelled here before inventory knew.
    world.ok(world.cancel_line(order, line, 1)).await;
    let version = world.order(order).await["version"].clone();
    world.hear(&filled(order, line, 1)).await.expect("too late, and no error");
    assert_eq!(world.counter(order, 0, "reserved").await, "103");
    assert_eq!(world.order(order).await["version"], version);
    world.assert_laws().await;
}

#[tokio::test]
async fn a_promise_is_for_what_waits_and_ends_with_the_wait() {
    let world = World::new().await;
    let order = world.confirmed(&[103], true).await;
    let line = world.line(order, 0).await;
    let promise = |line: OrderLineId, day: Option<&str>| BackorderPromised {
        order_id: order,
        lines: vec![LinePromise {
            order_line_id: line,
            promised_on: day.map(|day| day.parse().expect("a day")),
        }],
    };
    let shown = async || world.order(order).await["lines"][0].get("promised_on").cloned();
    assert_eq!(shown().await, None);
    world.hear(&promise(line, Some("2026-12-01"))).await.expect("applied");
    assert_eq!(shown().await, Some(json!("2026-12-01")));
    world.hear(&promise(line, None)).await.expect("applied");
    assert_eq!(shown().await, None, "it is not known any more");
    world.hear(&promise(line, Some("2026-12-02"))).await.expect("applied");
    let told = event(&promise(line, Some("2026-12-03")));
    world.service.handle(&told).await.expect("applied");
    let version = world.order(order).await["version"].clone();
    world.service.handle(&told).await.expect("delivered twice");
    assert_eq!(world.order(order).await["version"], version, "applied once");
    world.hear(&filled(order, line, 1)).await.expect("applied");
    assert_eq!(shown().await, Some(json!("2026-12-03")), "some of it waits");
    world.hear(&filled(order, line, 2)).await.expect("applied");
    assert_eq!(shown().await, None);
    world.hear(&promise(line, Some("2026-12-04"))).await.expect("too late, and no error");
    assert_eq!(shown().await, None);
    world.hear(&broken(order, line, 1)).await.expect("applied");
    assert_eq!(shown().await, None, "what was promised before is over");
    let nobody = promise(OrderLineId::new(), None);
    world.hear(&nobody).await.expect_err("no such line");
    world.assert_laws().await;
}

#[tokio::test]
async fn a_broken_reservation_waits_again_and_is_unpacked() {
    let world = World::new().await;
    let order = world.confirmed(&[10, 10], false).await;
    let (first, second) = (world.line(order, 0).await, world.line(order, 1).await);
    let of = |line, quantity: &str| {
        json!({
            "lines": [{ "order_line_id": line, "quantity": quantity }]
        })
    };
    world.pack(order, of(first, "6")).await.expect("packed");
    world.pack(order, of(second, "6")).await.expect("packed");
    // 4 of the first are not packed: these can break without unpacking anything.
    world.hear(&broken(order, first, 4)).await.expect("applied");
    assert_eq!(world.counter(order, 0, "picked").await, "6");
    world.hear(&broken(order, first, 1)).await.expect("applied");
    assert_eq!(world.counter(order, 0, "picked").await, "0");
    assert_eq!(world.counter(order, 0, "reserved").await, "5");
    assert_eq!(world.counter(order, 0, "backordered").await, "5");
    assert_eq!(world.counter(order, 1, "picked").await, "6", "another shipment");
    let told = world.published(order).await;
    assert_eq!(told.last().map(String::as_str), Some("orders.shipment.cancelled"));
    world.assert_laws().await;
}

#[tokio::test]
async fn billing_and_payment_show_in_the_statuses() {
    let world = World::new().await;
    let order = world.confirmed(&[10], false).await;
    let line = world.line(order, 0).await;
    world.ship_all(order).await;
    let check = async |billing: &str, payment: &str| {
        let seen = world.order(order).await;
        assert_eq!(
            (&seen["billing_status"], &seen["payment_status"]),
            (&json!(billing), &json!(payment))
        );
        world.assert_laws().await;
    };
    check("none", "unpaid").await;
    world.hear(&invoiced(order, line, 4, 1200)).await.expect("applied");
    check("partial", "unpaid").await;
    world.hear(&paid(order, 1200)).await.expect("applied");
    check("partial", "partial").await;
    world.hear(&invoiced(order, line, 6, 1800)).await.expect("applied");
    check("billed", "partial").await;
    world.hear(&paid(order, 1500)).await.expect("applied");
    check("billed", "partial").await;
    world.hear(&credited(order, line, 1, 300)).await.expect("applied");
    check("billed", "paid").await;
    world.hear(&credited(order, line, 1, 300)).await.expect("applied");
    check("billed", "overpaid").await;
    let seen = world.order(order).await;
    assert_eq!(seen["invoiced"]["amount"], "30.00");
    assert_eq!(seen["credited"]["amount"], "6.00");
    assert_eq!(seen["paid"]["amount"], "27.00");
    // A payment that bounced.
    world.hear(&unpaid(order, 1500)).await.expect("applied");
    check("billed", "partial").await;
    world.hear(&unpaid(order, 1200)).await.expect("applied");
    check("billed", "unpaid").await;
    assert_eq!(world.order(order).await["paid"]["amount"], "0.00");
    assert_eq!(seen["lines"][0]["counters"]["credited"], "2");
}

/// An order of ten, invoiced and paid at 30.00.
async fn paid_up(world: &World) -> (OrderId, OrderLineId) {
    let order = world.confirmed(&[10], false).await;
    let line = world.line(order, 0).await;
    world.ship_all(order).await;
    world.hear(&invoiced(order, line, 10, 3000)).await.expect("applied");
    world.hear(&paid(order, 3000)).await.expect("applied");
    (order, line)
}

/// What an order has of what was paid, and whether that is enough.
async fn money_of(world: &World, order: OrderId) -> (Value, Value, Value) {
    world.assert_laws().await;
    let seen = world.order(order).await;
    let amount = |field: &str| seen[field]["amount"].clone();
    (amount("paid"), amount("refunded"), seen["payment_status"].clone())
}

fn money(paid: &str, refunded: &str, status: &str) -> (Value, Value, Value) {
    (json!(paid), json!(refunded), json!(status))
}

#[tokio::test]
async fn credit_that_is_paid_back_leaves_its_order_paid() {
    let world = World::new().await;
    let (order, line) = paid_up(&world).await;
    // The note is told apart from the refund: the one may come after the other.
    let early = event(&refunded(order, 500));
    world.service.handle(&early).await.expect_err("no note left anything");
    assert_eq!(money_of(&world, order).await, money("30.00", "0.00", "paid"));
    world.hear(&credited(order, line, 3, 900)).await.expect("applied");
    assert_eq!(money_of(&world, order).await, money("30.00", "0.00", "overpaid"));
    world.service.handle(&early).await.expect("now it fits");
    assert_eq!(money_of(&world, order).await, money("30.00", "5.00", "overpaid"));
    world.service.handle(&early).await.expect("delivered twice");
    world.hear(&refunded(order, 400)).await.expect("applied");
    assert_eq!(money_of(&world, order).await, money("30.00", "9.00", "paid"));
    world.hear(&refunded(order, 1)).await.expect_err("more than the notes left");
    world.hear(&refunded(OrderId::new(), 1)).await.expect_err("no such order");
    assert_eq!(money_of(&world, order).await, money("30.00", "9.00", "paid"));
    // The payment bounces after that: we are owed what went back as well.
    world.hear(&unpaid(order, 3000)).await.expect("applied");
    assert_eq!(money_of(&world, order).await, money("0.00", "9.00", "unpaid"));
}

#[tokio::test]
async fn a_refund_that_is_reversed_is_credit_of_its_order_again() {
    let world = World::new().await;
    let (order, line) = paid_up(&world).await;
    world.hear(&credited(order, line, 3, 900)).await.expect("applied");
    world.hear(&refunded(order, 900)).await.expect("applied");
    let told = event(&refund_reversed(order, 900));
    world.service.handle(&told).await.expect("applied");
    world.service.handle(&told).await.expect("delivered twice");
    assert_eq!(money_of(&world, order).await, money("30.00", "0.00", "overpaid"));
    world.hear(&refund_reversed(order, 1)).await.expect_err("nothing was paid back");
    world.hear(&refunded(order, 900)).await.expect("applied");
    assert_eq!(money_of(&world, order).await, money("30.00", "9.00", "paid"));
}

#[tokio::test]
async fn a_refund_that_names_no_order_changes_none() {
    let world = World::new().await;
    let (order, line) = paid_up(&world).await;
    world.hear(&credited(order, line, 3, 900)).await.expect("applied");
    let before = world.order(order).await;
    // As of a payment, and as the version before told of any.
    let told = event(&RefundMade { orders: vec![], ..refunded(order, 900) });
    assert_eq!(told.data.get("orders"), None);
    world.service.handle(&told).await.expect("applied");
    assert_eq!(world.order(order).await, before);
}

#[tokio::test]
async fn a_refund_of_several_orders_changes_each() {
    let world = World::new().await;
    let (first, line) = paid_up(&world).await;
    world.hear(&credited(first, line, 3, 900)).await.expect("applied");
    let (second, line) = paid_up(&world).await;
    world.hear(&credited(second, line, 1, 300)).await.expect("applied");
    let part = |order_id: OrderId, minor: i64| RefundedOrder { order_id, amount: eur(minor) };
    let of = |orders: Vec<RefundedOrder>| RefundMade { orders, ..refunded(first, 1200) };
    let beyond = of(vec![part(first, 900), part(second, 301)]);
    world.hear(&beyond).await.expect_err("more than the second has");
    assert_eq!(money_of(&world, first).await, money("30.00", "0.00", "overpaid"));
    let both = of(vec![part(second, 100), part(first, 900), part(second, 200)]);
    world.hear(&both).await.expect("applied");
    assert_eq!(money_of(&world, first).await, money("30.00", "9.00", "paid"));
    assert_eq!(money_of(&world, second).await, money("30.00", "3.00", "paid"));
}

#[tokio::test]
async fn credit_goes_from_one_order_to_another() {
    let world = World::new().await;
    let (from, from_line) = paid_up(&world).await;
    world.hear(&credited(from, from_line, 3, 900)).await.expect("applied");
    let to = world.confirmed(&[10], false).await;
    let line = world.line(to, 0).await;
    world.ship_all(to).await;
    world.hear(&invoiced(to, line, 10, 800)).await.expect("applied");
    let told = event(&applied(from, to, 500));
    world.service.handle(&told).await.expect("applied");
    world.service.handle(&told).await.expect("delivered twice");
    assert_eq!(money_of(&world, from).await, money("30.00", "5.00", "overpaid"));
    assert_eq!(money_of(&world, to).await, money("5.00", "0.00", "partial"));
    world.hear(&applied(from, to, 300)).await.expect("applied");
    assert_eq!(money_of(&world, to).await, money("8.00", "0.00", "paid"));
    // Its own invoices are settled with money that is counted already.
    world.hear(&applied(from, from, 100)).await.expect("applied");
    assert_eq!(money_of(&world, from).await, money("30.00", "8.00", "overpaid"));
    world.hear(&refunded(from, 100)).await.expect("applied");
    assert_eq!(money_of(&world, from).await, money("30.00", "9.00", "paid"));
    // All of it or nothing, whichever order is locked first.
    for (from, to) in [(from, to), (to, from)] {
        world.hear(&applied(from, to, 1)).await.expect_err("nothing is left of its notes");
    }
    world.hear(&applied(from, OrderId::new(), 1)).await.expect_err("no such order");
    world.hear(&applied(OrderId::new(), to, 1)).await.expect_err("no such order");
    assert_eq!(money_of(&world, from).await, money("30.00", "9.00", "paid"));
    assert_eq!(money_of(&world, to).await, money("8.00", "0.00", "paid"));
}

#[tokio::test]
async fn an_event_that_does_not_fit_changes_nothing_and_is_not_lost() {
    let world = World::new().await;
    let order = world.confirmed(&[10], false).await;
    let line = world.line(order, 0).await;
    let before = world.order(order).await;
    world.hear(&invoiced(order, line, 1, 300)).await.expect_err("nothing was shipped");
    world.hear(&credited(order, line, 1, 0)).await.expect_err("nothing was invoiced");
    world.hear(&filled(order, OrderLineId::new(), 1)).await.expect_err("no such line");
    world.hear(&paid(OrderId::new(), 1)).await.expect_err("no such order");
    assert_eq!(world.order(order).await, before);
    // Not in the inbox either: it is delivered again.
    let late = event(&invoiced(order, line, 1, 300));
    world.service.handle(&late).await.expect_err("nothing was shipped");
    world.ship_all(order).await;
    world.service.handle(&late).await.expect("now it fits");
}

fn quotation(world: &World) -> QuotationSnapshot {
    let (customer, product, warehouse) = world.others(|others| {
        (others.customers[0].clone(), others.products[2].clone(), others.warehouses[0].id)
    });
    QuotationSnapshot {
        id: QuotationId::new(),
        number: "QU-2026-000001".into(),
        customer,
        currency: Currency::EUR,
        prices_include_tax: false,
        rounding_mode: RoundingMode::PerDocument,
        warehouse_id: warehouse,
        lines: vec![QuotedLine {
            product_id: product.id,
            sku: product.sku,
            name: "As quoted".into(),
            unit: product.unit,
            tax_class: product.tax_class,
            quantity: units(2),
            unit_price: UnitPrice::from_micros(1_000_000),
            discount: Percent::ZERO,
        }],
        total: eur(240),
    }
}

fn of_quotation(id: QuotationId) -> NewOrder {
    NewOrder { quotation_id: Some(id), ..NewOrder::default() }
}

#[tokio::test]
async fn a_quotation_becomes_one_order_whoever_is_first() {
    let world = World::new().await;
    for event_first in [true, false] {
        let quotation = quotation(&world);
        let quotation_id = quotation.id;
        world.others(|others| others.quotations.insert(quotation_id, quotation.clone()));
        let accepted = event(&QuotationAccepted { quotation });
        if event_first {
            world.service.handle(&accepted).await.expect("drafted");
        }
        let posted = world.ok(world.service.create_order(&ctx(), of_quotation(quotation_id))).await;
        let again = world.ok(world.service.create_order(&ctx(), of_quotation(quotation_id))).await;
        world.service.handle(&accepted).await.expect("drafted or known");
        world.service.handle(&accepted).await.expect("known");
        assert_eq!(posted["id"], again["id"]);
        assert_eq!(posted["quotation_id"], json!(quotation_id));
        assert_eq!(posted["rounding_mode"], "per_document");
        assert_eq!(posted["lines"][0]["name"], "As quoted");
        assert_eq!(posted["lines"][0]["unit_price"], "1.00");
        assert_eq!(posted["totals"]["total"]["amount"], "2.40");
        let query = ListOrders { quotation_id: Some(quotation_id), ..ListOrders::default() };
        let found = world.service.list_orders(query).await.expect("the list");
        assert_eq!(found.data.len(), 1);
        assert_eq!(world.published(id(&posted["id"])).await, ["orders.order.created"]);
    }
}

#[tokio::test]
async fn the_lines_of_a_quotation_are_what_was_accepted() {
    let world = World::new().await;
    let quotation = quotation(&world);
    let quotation_id = quotation.id;
    world.hear(&QuotationAccepted { quotation }).await.expect("drafted");
    let posted = world.ok(world.service.create_order(&ctx(), of_quotation(quotation_id))).await;
    let order = id(&posted["id"]);
    for patch in [json!({ "lines": world.new_lines(&[1]) }), json!({ "prices_include_tax": true })]
    {
        let refusal = world.patch(order, patch).await.expect_err("as accepted");
        assert_eq!(refusal.code(), "quoted_lines_fixed");
    }
    let patch = json!({ "customer_reference": "PO 7", "allow_backorder": true });
    let patched = world.ok(world.patch(order, patch)).await;
    assert_eq!(patched["customer_reference"], "PO 7");
    assert_eq!(patched["allow_backorder"], true);
    let unknown = of_quotation(QuotationId::new());
    let refusal = world.service.create_order(&ctx(), unknown).await.expect_err("not accepted");
    assert_eq!(refusal.code(), "quotation_not_accepted");
}
