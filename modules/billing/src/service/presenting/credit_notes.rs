//! Credit notes as they are answered.

use std::collections::HashMap;

use contracts::billing::RoundingMode;
use kernel::Result;
use kernel::money::Money;

use crate::entities::{credit_note, credit_note_line, invoice_line};
use crate::routes::credit_notes::{CreditNote, CreditNoteLine};
use crate::service::presenting::taxes_of;
use crate::service::totals::NetTax;

/// The note as it is answered: with its own lines and those of its invoice, or without any.
pub(crate) fn present(
    row: credit_note::Model,
    lines: Option<(&[credit_note_line::Model], &[invoice_line::Model])>,
) -> Result<CreditNote> {
    let money = |minor| Money::new(minor, row.currency);
    let lines = lines.map(|(own, invoiced)| present_lines(own, invoiced, &money)).transpose()?;
    let taxes = lines.as_ref().map(|lines| {
        let parts = lines.iter().map(|line| {
            let part = NetTax { net: line.net.minor(), tax: line.tax.minor() };
            (line.tax_class.as_str(), line.tax_rate, part)
        });
        taxes_of(row.currency, parts)
    });
    Ok(CreditNote {
        id: row.id,
        number: row.number,
        invoice_id: row.invoice_id,
        invoice_number: row.invoice_number,
        customer_id: row.customer_id,
        customer: serde_json::from_str(&row.customer)?,
        order_id: row.order_id,
        order_number: row.order_number,
        issued_on: row.issued_on,
        reason: row.reason,
        currency: row.currency,
        prices_include_tax: row.prices_include_tax,
        rounding_mode: RoundingMode::from(row.rounding_mode),
        taxes: taxes.transpose()?,
        lines,
        net: money(row.net_minor),
        tax: money(row.tax_minor),
        total: money(row.total_minor),
        applied: money(row.applied_minor),
        unapplied: money(row.total_minor - row.applied_minor),
        hash: row.hash,
        created_at: row.created_at,
    })
}

fn present_lines(
    own: &[credit_note_line::Model],
    invoiced: &[invoice_line::Model],
    money: &impl Fn(i64) -> Money,
) -> Result<Vec<CreditNoteLine>> {
    let by_id: HashMap<_, _> = invoiced.iter().map(|line| (line.id, line)).collect();
    let lines = own.iter().map(|line| {
        let of = by_id.get(&line.invoice_line_id).ok_or_else(|| {
            kernel::Error::internal("a line of a credit note is not of its invoice")
        })?;
        Ok(CreditNoteLine {
            invoice_line_id: of.id,
            order_line_id: of.order_line_id,
            product_id: of.product_id,
            sku: of.sku.clone(),
            name: of.name.clone(),
            unit: of.unit.clone(),
            quantity: line.quantity,
            unit_price: of.unit_price,
            discount: of.discount,
            tax_class: of.tax_class.clone(),
            tax_rate: of.tax_rate,
            net: money(line.net_minor),
            tax: money(line.tax_minor),
            total: money(line.net_minor + line.tax_minor),
        })
    });
    lines.collect()
}
