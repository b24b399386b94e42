//! Bills as they are answered.

use contracts::billing::RoundingMode;
use kernel::Result;
use kernel::money::Money;

use crate::entities::{bill, bill_line};
use crate::routes::bills::{Bill, BillLine};
use crate::service::bills::MACHINE;
use crate::service::presenting::taxes_of;
use crate::service::totals::NetTax;

/// The bill as it is answered; without its lines in lists.
pub(crate) fn present(row: bill::Model, lines: Option<&[bill_line::Model]>) -> Result<Bill> {
    let money = |minor| Money::new(minor, row.currency);
    let taxes = lines.map(|lines| {
        let parts = lines.iter().map(|line| {
            let part = NetTax { net: line.net_minor, tax: line.tax_minor };
            (line.tax_class.as_str(), line.tax_rate, part)
        });
        taxes_of(row.currency, parts)
    });
    let mut allowed_actions = MACHINE.allowed_actions(row.status);
    allowed_actions.retain(|action| !["match", "settle"].contains(action));
    Ok(Bill {
        id: row.id,
        number: row.number,
        status: row.status,
        supplier_id: row.supplier_id,
        supplier_name: row.supplier_name,
        supplier_invoice_number: row.supplier_invoice_number,
        purchase_order_id: row.purchase_order_id,
        purchase_order_number: row.purchase_order_number,
        billed_on: row.billed_on,
        due_on: row.due_on,
        posted_on: row.posted_on,
        currency: row.currency,
        rounding_mode: RoundingMode::from(row.rounding_mode),
        lines: lines.map(|lines| lines.iter().map(|l| present_line(l, &money)).collect()),
        taxes: taxes.transpose()?,
        net: money(row.net_minor),
        tax: money(row.tax_minor),
        total: money(row.total_minor),
        applied: money(row.applied_minor),
        open: money(row.total_minor - row.applied_minor),
        exceptions: serde_json::from_str(&row.exceptions)?,
        override_reason: row.override_reason,
        allowed_actions,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn present_line(line: &bill_line::Model, money: &impl Fn(i64) -> Money) -> BillLine {
    BillLine {
        id: line.id,
        purchase_order_line_id: line.purchase_order_line_id,
        product_id: line.product_id,
        sku: line.sku.clone(),
        name: line.name.clone(),
        unit: line.unit.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price,
        tax_class: line.tax_class.clone(),
        tax_rate: line.tax_rate,
        net: money(line.net_minor),
        tax: money(line.tax_minor),
        total: money(line.net_minor + line.tax_minor),
    }
}
