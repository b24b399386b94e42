//! Invoices, credit notes and payments, as they move what customers owe.

use contracts::events::{CreditNoteIssued, InvoiceIssued, OrderConfirmed, PaymentCaptured};
use contracts::ids::{CreditNoteId, CustomerId, InvoiceId, OrderId, PaymentId, ShipmentId};
use sea_orm::EntityTrait;

use super::world::{World, euro, soon, today};
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
async fn money_of_unknown_customers_is_passed_over() {
    let world = World::new().await;
    let nobody = CustomerId::new();
    world.tell(&payment(nobody, 10)).await.expect("heard");
    world.tell(&invoice(OrderId::new(), nobody, 10)).await.expect("heard");
    world.tell(&credit_note(OrderId::new(), nobody, 10)).await.expect("heard");
    let entries = receivable_entry::Entity::find().all(world.service.db.read()).await;
    assert!(entries.expect("read").is_empty());
}
