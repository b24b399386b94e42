//! What others tell billing, and what is sent to it.

use chrono::Days;
use contracts::billing::RoundingMode;
use contracts::events::{
    ApprovedLine, PurchaseOrderApproved, ReceiptPosted, ReceivedLine, ReceivedStockLine,
    ShipmentShipped, ShippedLine, StockReceived,
};
use contracts::ids::{
    CustomerId, OrderId, OrderLineId, ProductId, PurchaseOrderId, PurchaseOrderLineId, ReceiptId,
    ShipmentId, SupplierId, WarehouseId,
};
use contracts::sales::CustomerInfo;
use kernel::money::{Currency, Money, Percent, Rounding, UnitPrice, line_net_exact, to_minor};
use kernel::quantity::Quantity;
use serde_json::{Value, json};

use crate::tests::support::{eur, read, today};

pub(super) fn customer() -> CustomerInfo {
    let address = json!({
        "line1": "Hafenstrasse 1", "postal_code": "20457", "city": "Hamburg", "country": "DE"
    });
    CustomerInfo {
        id: CustomerId::new(),
        number: "CU-2026-000001".into(),
        name: "Nordwind GmbH".into(),
        is_active: true,
        currency: Currency::EUR,
        payment_terms_days: 14,
        billing_address: read(address.clone()),
        shipping_address: read(address),
    }
}

/// A shipment of lines (quantity, price, tax class) of an order of its own. It was long ago, so
/// its invoice may be of any day since.
pub(super) fn shipment(customer: &CustomerInfo, lines: &[(&str, &str, &str)]) -> ShipmentShipped {
    let lines = lines.iter().enumerate().map(|(index, (quantity, price, class))| ShippedLine {
        order_line_id: OrderLineId::new(),
        product_id: ProductId::new(),
        warehouse_id: WarehouseId::new(),
        sku: format!("SKU-{index}"),
        name: format!("Product {index}"),
        unit: "pcs".into(),
        quantity: quantity.parse().expect("a quantity"),
        unit_price: price.parse().expect("a price"),
        discount: Percent::ZERO,
        tax_class: read(json!(class)),
    });
    ShipmentShipped {
        shipment_id: ShipmentId::new(),
        number: "SH-2026-000001".into(),
        order_id: OrderId::new(),
        order_number: "SO-2026-000001".into(),
        shipped_on: today() - Days::new(800),
        customer: customer.clone(),
        currency: Currency::EUR,
        prices_include_tax: false,
        rounding_mode: RoundingMode::PerDocument,
        lines: lines.collect(),
    }
}

/// A purchase order of lines (quantity, price), approved.
pub(super) fn purchase_order(lines: &[(&str, &str)]) -> PurchaseOrderApproved {
    let lines = lines.iter().enumerate().map(|(index, (quantity, price))| ApprovedLine {
        purchase_order_line_id: PurchaseOrderLineId::new(),
        product_id: ProductId::new(),
        sku: format!("SKU-{index}"),
        name: format!("Product {index}"),
        unit: "pcs".into(),
        quantity: quantity.parse().expect("a quantity"),
        unit_price: price.parse().expect("a price"),
        tax_class: read(json!("standard")),
    });
    PurchaseOrderApproved {
        purchase_order_id: PurchaseOrderId::new(),
        number: "PO-2026-000001".into(),
        supplier_id: SupplierId::new(),
        supplier_name: "Ostsee AG".into(),
        payment_terms_days: 30,
        currency: Currency::EUR,
        lines: lines.collect(),
        warehouse_id: None,
        expected_on: None,
    }
}

/// A receipt of these quantities of an order's lines, as purchasing tells it.
pub(super) fn receipt(
    order: &PurchaseOrderApproved,
    quantities: &[(usize, &str)],
) -> ReceiptPosted {
    let lines = quantities.iter().map(|(index, quantity)| ReceivedLine {
        purchase_order_line_id: order.lines[*index].purchase_order_line_id,
        product_id: order.lines[*index].product_id,
        quantity: quantity.parse().expect("a quantity"),
        unit_cost: order.lines[*index].unit_price,
    });
    ReceiptPosted {
        receipt_id: ReceiptId::new(),
        number: "RC-2026-000001".into(),
        purchase_order_id: order.purchase_order_id,
        warehouse_id: WarehouseId::new(),
        received_on: today(),
        currency: Currency::EUR,
        lines: lines.collect(),
    }
}

/// The same receipt as inventory tells it: each line's value rounded.
pub(super) fn stock_received(receipt: &ReceiptPosted) -> StockReceived {
    let value_of = |quantity: Quantity, price: UnitPrice| {
        let exact = line_net_exact(quantity, price, Percent::ZERO).expect("small");
        to_minor(exact, Currency::EUR, Rounding::HalfUp).expect("small")
    };
    let lines: Vec<_> = receipt
        .lines
        .iter()
        .map(|line| ReceivedStockLine {
            purchase_order_line_id: line.purchase_order_line_id,
            product_id: line.product_id,
            quantity: line.quantity,
            value: Money::new(value_of(line.quantity, line.unit_cost), Currency::EUR),
        })
        .collect();
    let value = lines.iter().map(|line| line.value.minor()).sum();
    StockReceived {
        receipt_id: receipt.receipt_id,
        purchase_order_id: receipt.purchase_order_id,
        received_on: receipt.received_on,
        lines,
        value: Money::new(value, Currency::EUR),
    }
}

/// A bill for these quantities and prices of an order's lines.
pub(super) fn bill(
    order: &PurchaseOrderApproved,
    number: &str,
    lines: &[(usize, &str, &str)],
) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|(index, quantity, price)| {
            json!({
                "purchase_order_line_id": order.lines[*index].purchase_order_line_id,
                "quantity": quantity, "unit_price": price
            })
        })
        .collect();
    json!({
        "supplier_id": order.supplier_id, "supplier_invoice_number": number,
        "purchase_order_id": order.purchase_order_id, "lines": lines
    })
}

/// An incoming payment of a customer.
pub(super) fn incoming(customer: &CustomerInfo, amount: &str, allocations: Value) -> Value {
    json!({
        "direction": "incoming", "customer_id": customer.id, "amount": eur(amount),
        "method": "bank_transfer", "allocations": allocations
    })
}

/// An outgoing payment to a supplier.
pub(super) fn outgoing(order: &PurchaseOrderApproved, amount: &str, allocations: Value) -> Value {
    json!({
        "direction": "outgoing", "supplier_id": order.supplier_id, "amount": eur(amount),
        "method": "bank_transfer", "allocations": allocations
    })
}
