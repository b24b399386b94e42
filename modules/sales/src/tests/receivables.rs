//! Invoices, credit notes and payments, as they move what customers owe.

use contracts::events::{
    CancelledLine, ConfirmedLine, CreditNoteIssued, InvoiceIssued, OrderConfirmed,
    OrderLineQuantity, OrderLinesCancelled, PaymentCaptured, PaymentReversed, RefundMade,
    RefundReversed,
};
use contracts::ids::{
    CreditNoteId, CustomerId, InvoiceId, OrderId, OrderLineId, PaymentId, ProductId, RefundId,
    ShipmentId, WarehouseId,
};
use kernel::events::Subscriber;
use kernel::quantity::Quantity;
use sea_orm::EntityTrait;

use super::world::{World, euro, event, soon, today};
use crate::entities::receivable_entry;

pub(crate) fn invoice(order_id: OrderId, customer_id: CustomerId, minor: i64) -> InvoiceIssued {
    InvoiceIssued {
        invoice_id: InvoiceId::new(),
        number: "INV-2026-000001".into(),
        order_id,
        shipment_id: ShipmentId::new(),
        customer_id,
        issued_on: today(),
        due_on: today(),
        total: euro(minor),
        lines: vec![],
    }
}

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).expect("a quantity")
}

/// Confirmed with a line for each of these quantities, half of them waiting for stock.
pub(crate) fn confirmed_of(
    order_id: OrderId,
    customer_id: CustomerId,
    minor: i64,
    wanted: &[i64],
) -> OrderConfirmed {
    let lines = wanted.iter().map(|wanted| ConfirmedLine {
        line_id: OrderLineId::new(),
        product_id: ProductId::new(),
        warehouse_id: WarehouseId::new(),
        reserved: units(wanted / 2),
        backordered: units(wanted - wanted / 2),
    });
    OrderConfirmed {
        order_id,
        number: "SO-2026-000001".into(),
        customer_id,
        total: euro(minor),
        lines: lines.collect(),
    }
}

/// An invoice for this much of a line.
pub(crate) fn invoice_of(
    order_id: OrderId,
    customer_id: CustomerId,
    minor: i64,
    quantity: i64,
) -> InvoiceIssued {
    let line = OrderLineQuantity { order_line_id: OrderLineId::new(), quantity: units(quantity) };
    InvoiceIssued { lines: vec![line], ..invoice(order_id, customer_id, minor) }
}

/// So much of a line is off; the order comes to the rest.
pub(crate) fn cancelled_of(
    order_id: OrderId,
    customer_id: CustomerId,
    remaining_minor: i64,
    quantity: i64,
) -> OrderLinesCancelled {
    let line = CancelledLine {
        line_id: OrderLineId::new(),
        released: units(quantity / 2),
        unbackordered: units(quantity - quantity / 2),
    };
    let remaining_total = euro(remaining_minor);
    OrderLinesCancelled { order_id, customer_id, remaining_total, lines: vec![line] }
}

pub(crate) fn payment(customer_id: CustomerId, minor: i64) -> PaymentCaptured {
    PaymentCaptured {
        payment_id: PaymentId::new(),
        customer_id,
        received_on: today(),
        amount: euro(minor),
    }
}

pub(crate) fn credit_note(
    order_id: OrderId,
    customer_id: CustomerId,
    minor: i64,
) -> CreditNoteIssued {
    CreditNoteIssued {
        credit_note_id: CreditNoteId::new(),
        number: "CN-2026-000001".into(),
        invoice_id: InvoiceId::new(),
        order_id,
        customer_id,
        issued_on: today(),
        total: euro(minor),
        lines: vec![],
    }
}

#[tokio::test]
async fn an_invoice_moves_credit_from_the_order_to_what_is_owed() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let order = OrderId::new();
    let figures = async || {
        let credit = world.credit(customer).await;
        (credit.uninvoiced_minor, credit.open_receivables_minor, credit.exposure_minor())
    };
    world.hold(order, customer, 100, soon()).await.expect("held");
    let confirmed = OrderConfirmed {
        order_id: order,
        number: "SO-2026-000001".into(),
        customer_id: customer,
        total: euro(100),
        lines: vec![],
    };
    world.tell(&confirmed).await.expect("heard");
    world.tell(&invoice(order, customer, 40)).await.expect("heard");
    assert_eq!(figures().await, (60, 40, 100));
    world.tell(&payment(customer, 30)).await.expect("heard");
    assert_eq!(figures().await, (60, 10, 70));
    world.tell(&invoice(order, customer, 61)).await.expect("heard");
    assert_eq!(figures().await, (0, 71, 71));
    world.tell(&credit_note(order, customer, 21)).await.expect("heard");
    assert_eq!(figures().await, (0, 50, 50));
    // More than was owed is the customer's credit, and room for more orders.
    world.tell(&payment(customer, 80)).await.expect("heard");
    assert_eq!(figures().await, (0, -30, -30));
    // One that bounces changes nothing in the end.
    let bounced = payment(customer, 5);
    world.tell(&bounced).await.expect("heard");
    let reversed = PaymentReversed {
        payment_id: bounced.payment_id,
        customer_id: customer,
        reversed_on: today(),
        amount: bounced.amount,
    };
    world.tell(&reversed).await.expect("heard");
    assert_eq!(figures().await, (0, -30, -30));
    // Part of the credit goes back, and what came and goes again is none.
    let refund = RefundMade {
        refund_id: RefundId::new(),
        customer_id: customer,
        refunded_on: today(),
        amount: euro(8),
        orders: vec![],
    };
    world.tell(&payment(customer, 8)).await.expect("heard");
    world.tell(&refund).await.expect("heard");
    assert_eq!(figures().await, (0, -30, -30));
    // It did not arrive, and went once more.
    let reversed = RefundReversed {
        refund_id: refund.refund_id,
        customer_id: customer,
        reversed_on: today(),
        amount: refund.amount,
        orders: vec![],
    };
    world.tell(&reversed).await.expect("heard");
    assert_eq!(figures().await, (0, -38, -38));
    let again = RefundMade { refund_id: RefundId::new(), ..refund };
    world.tell(&again).await.expect("heard");
    assert_eq!(figures().await, (0, -30, -30));
    world.hold(OrderId::new(), customer, 130, soon()).await.expect("fits");
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn an_invoice_heard_of_before_its_order_is_kept_for_it() {
    let world = World::new().await;
    let customer = world.customer(Some(100)).await;
    let order = OrderId::new();
    world.tell(&invoice(order, customer, 40)).await.expect("heard");
    let credit = world.credit(customer).await;
    assert_eq!((credit.uninvoiced_minor, credit.open_receivables_minor), (0, 40));
    let confirmed = OrderConfirmed {
        order_id: order,
        number: "SO-2026-000001".into(),
        customer_id: customer,
        total: euro(100),
        lines: vec![],
    };
    world.tell(&confirmed).await.expect("heard");
    let credit = world.credit(customer).await;
    assert_eq!((credit.uninvoiced_minor, credit.open_receivables_minor), (60, 40));
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn an_order_invoiced_to_the_last_unit_weighs_nothing_more() {
    let world = World::new().await;
    // What the order comes to, its invoices, and how many units are cancelled at the end
    // with what the order comes to then. All have 3 units.
    let check = async |total: i64, invoices: &[(i64, i64)], cancelled: Option<(i64, i64)>| {
        let customer = world.customer(None).await;
        let order = OrderId::new();
        let uninvoiced = async || world.credit(customer).await.uninvoiced_minor;
        world.tell(&confirmed_of(order, customer, total, &[1, 2])).await.expect("heard");
        let mut left = 3;
        for (minor, quantity) in invoices {
            assert!(uninvoiced().await > 0, "{left} of {total} are to come");
            world.tell(&invoice_of(order, customer, *minor, *quantity)).await.expect("heard");
            left -= quantity;
        }
        if let Some((quantity, minor)) = cancelled {
            assert!(uninvoiced().await > 0, "{left} of {total} are to come");
            let cancelled = cancelled_of(order, customer, minor, quantity);
            world.tell(&cancelled).await.expect("heard");
            left -= quantity;
        }
        assert_eq!(left, 0);
        assert_eq!(uninvoiced().await, 0, "{total} {invoices:?} {cancelled:?}");
        assert_eq!(world.broken_laws().await, Vec::<&str>::new());
    };
    // 3 x 0.404 and 20 %, one by one.
    check(145, &[(48, 1), (48, 1), (48, 1)], None).await;
    // The rate became 10 %.
    check(12_000, &[(11_000, 3)], None).await;
    check(145, &[(48, 1), (48, 1)], Some((1, 97))).await;
}

#[tokio::test]
async fn what_is_on_no_invoice_stays_uninvoiced() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let order = OrderId::new();
    world.tell(&confirmed_of(order, customer, 145, &[1, 2])).await.expect("heard");
    // The draft of the third was discarded: nobody tells sales of it.
    for _ in 0..2 {
        world.tell(&invoice_of(order, customer, 48, 1)).await.expect("heard");
    }
    world.tell(&payment(customer, 96)).await.expect("heard");
    assert_eq!(world.credit(customer).await.exposure_minor(), 49);
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

#[tokio::test]
async fn invoices_heard_of_before_their_order_leave_nothing_uninvoiced() {
    let world = World::new().await;
    let customer = world.customer(None).await;
    let order = OrderId::new();
    for _ in 0..3 {
        world.tell(&invoice_of(order, customer, 48, 1)).await.expect("heard");
    }
    let confirmed = event(&confirmed_of(order, customer, 145, &[1, 2]));
    for _ in 0..2 {
        world.service.handle(&confirmed).await.expect("heard");
        let credit = world.credit(customer).await;
        assert_eq!((credit.uninvoiced_minor, credit.open_receivables_minor), (0, 144));
    }
    assert_eq!(world.broken_laws().await, Vec::<&str>::new());
}

#[tokio::test]
async fn money_of_unknown_customers_is_passed_over() {
    let world = World::new().await;
    let nobody = CustomerId::new();
    world.tell(&payment(nobody, 10)).await.expect("heard");
    world.tell(&invoice(OrderId::new(), nobody, 10)).await.expect("heard");
    world.tell(&credit_note(OrderId::new(), nobody, 10)).await.expect("heard");
    let entries = receivable_entry::Entity::find().all(world.service.db.read()).await;
    assert!(entries.expect("read").is_empty());
}
