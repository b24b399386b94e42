//! Invoices as they are answered.

use contracts::billing::RoundingMode;
use kernel::Result;
use kernel::money::Money;

use crate::entities::{invoice, invoice_line};
use crate::routes::invoices::{Invoice, InvoiceLine};
use crate::service::invoices::MACHINE;
use crate::service::presenting::taxes_of;
use crate::service::totals::NetTax;

/// The invoice as it is answered; without its lines in lists.
pub(crate) fn present(
    row: invoice::Model,
    lines: Option<&[invoice_line::Model]>,
) -> Result<Invoice> {
    let money = |minor| Money::new(minor, row.currency);
    let taxes = lines.map(|lines| {
        let parts = lines.iter().map(|line| {
            let part = NetTax { net: line.net_minor, tax: line.tax_minor };
            (line.tax_class.as_str(), line.tax_rate, part)
        });
        taxes_of(row.currency, parts)
    });
    let mut allowed_actions = MACHINE.allowed_actions(row.status);
    let is_credited = row.total_minor > 0 && row.credit_notes_minor == row.total_minor;
    allowed_actions.retain(|action| *action != "settle" && !(*action == "credit" && is_credited));
    Ok(Invoice {
        id: row.id,
        number: row.number,
        status: row.status,
        customer_id: row.customer_id,
        customer: serde_json::from_str(&row.customer)?,
        order_id: row.order_id,
        order_number: row.order_number,
        shipment_id: row.shipment_id,
        shipment_number: row.shipment_number,
        shipped_on: row.shipped_on,
        issued_on: row.issued_on,
        due_on: row.due_on,
        currency: row.currency,
        prices_include_tax: row.prices_include_tax,
        rounding_mode: RoundingMode::from(row.rounding_mode),
        lines: lines.map(|lines| lines.iter().map(|l| present_line(l, &money)).collect()),
        taxes: taxes.transpose()?,
        net: money(row.net_minor),
        tax: money(row.tax_minor),
        total: money(row.total_minor),
        applied: money(row.applied_minor),
        credited: money(row.credited_minor),
        open: money(row.total_minor - row.applied_minor - row.credited_minor),
        credit_notes_total: money(row.credit_notes_minor),
        hash: row.hash,
        allowed_actions,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn present_line(line: &invoice_line::Model, money: &impl Fn(i64) -> Money) -> InvoiceLine {
    InvoiceLine {
        id: line.id,
        order_line_id: line.order_line_id,
        product_id: line.product_id,
        sku: line.sku.clone(),
        name: line.name.clone(),
        unit: line.unit.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price,
        discount: line.discount,
        tax_class: line.tax_class.clone(),
        tax_rate: line.tax_rate,
        net: money(line.net_minor),
        tax: money(line.tax_minor),
        total: money(line.net_minor + line.tax_minor),
        credited_quantity: line.credited_quantity,
    }
}
