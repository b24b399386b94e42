//! Quotations between their tables and what callers see of them.

use std::sync::Arc;

use chrono::Utc;
use contracts::billing::{RoundingMode, TaxTotal, Totals};
use contracts::ids::{QuotationId, QuotationLineId};
use contracts::sales::{CustomerInfo, QuotationSnapshot, QuotedLine};
use kernel::db::{Db, Tx};
use kernel::money::Money;
use kernel::text::Code;
use kernel::{Error, Result};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use crate::entities::{quotation, quotation_line, quotation_tax};
use crate::routes::quotations::{
    Quotation, QuotationCustomer, QuotationLine, QuotationSummary, QuotationTotals,
};
use crate::service::quotation_machine::allowed_actions;
use crate::service::quoting::{PricedQuotationLine, Quoted};

/// A quotation with everything that hangs on it.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub head: quotation::Model,
    pub lines: Vec<quotation_line::Model>,
    pub taxes: Vec<quotation_tax::Model>,
}

/// The quotation itself; 404 if there is none.
pub(crate) async fn load_head(
    conn: &impl ConnectionTrait,
    id: QuotationId,
) -> Result<quotation::Model> {
    let found = quotation::Entity::find_by_id(id).one(conn).await?;
    found.ok_or_else(|| Error::not_found("quotation", id))
}

/// The same, to be changed.
pub(crate) async fn lock_head(tx: &Tx, id: QuotationId) -> Result<quotation::Model> {
    let found = tx.lock::<quotation::Entity>(id).await?;
    found.ok_or_else(|| Error::not_found("quotation", id))
}

/// What changes only with the quotation's version.
type Parts = (Vec<quotation_line::Model>, Vec<quotation_tax::Model>);

/// The lines and taxes of a quotation.
pub(crate) async fn load_rest(
    db: &Db,
    conn: &impl ConnectionTrait,
    head: quotation::Model,
) -> Result<Rows> {
    if let Some(parts) = db.recall::<Parts>(head.id.uuid(), head.version) {
        let (lines, taxes) = Parts::clone(&parts);
        return Ok(Rows { head, lines, taxes });
    }
    let lines = quotation_line::Entity::find()
        .filter(quotation_line::Column::QuotationId.eq(head.id))
        .order_by_asc(quotation_line::Column::Position)
        .all(conn)
        .await?;
    let taxes = quotation_tax::Entity::find()
        .filter(quotation_tax::Column::QuotationId.eq(head.id))
        .order_by_asc(quotation_tax::Column::TaxClass)
        .all(conn)
        .await?;
    Ok(Rows { head, lines, taxes })
}

/// Writes the lines and taxes of a quotation that has none.
pub(crate) fn insert_lines(
    tx: &Tx,
    id: QuotationId,
    quoted: Quoted,
) -> Result<(Vec<quotation_line::Model>, Vec<quotation_tax::Model>)> {
    let Totals { lines: totals, taxes, .. } = quoted.totals;
    let lines: Vec<_> = quoted
        .lines
        .into_iter()
        .zip(totals)
        .zip(0_i64..)
        .map(|((line, totals), position)| quotation_line::Model {
            id: QuotationLineId::new(),
            quotation_id: id,
            position,
            product_id: line.product_id,
            sku: line.sku,
            name: line.name,
            unit: line.unit,
            quantity: line.quantity,
            unit_price: line.unit_price,
            price_list: line.price_list,
            discount: line.discount,
            tax_class: line.tax_class.into(),
            tax_rate: totals.tax_rate,
            net_minor: totals.net.minor(),
            tax_minor: totals.tax.minor(),
            total_minor: totals.total.minor(),
        })
        .collect();
    let taxes: Vec<_> = taxes
        .into_iter()
        .map(|tax| quotation_tax::Model {
            quotation_id: id,
            tax_class: tax.tax_class.into(),
            rate: tax.rate,
            base_minor: tax.base.minor(),
            tax_minor: tax.tax.minor(),
        })
        .collect();
    tx.insert_late(lines.iter().cloned().map(IntoActiveModel::into_active_model))?;
    tx.insert_late(taxes.iter().cloned().map(IntoActiveModel::into_active_model))?;
    Ok((lines, taxes))
}

/// Removes them, to be written anew.
pub(crate) async fn delete_lines(tx: &Tx, id: QuotationId) -> Result<()> {
    quotation_line::Entity::delete_many()
        .filter(quotation_line::Column::QuotationId.eq(id))
        .exec(&**tx)
        .await?;
    quotation_tax::Entity::delete_many()
        .filter(quotation_tax::Column::QuotationId.eq(id))
        .exec(&**tx)
        .await?;
    Ok(())
}

/// The column of a rounding mode.
pub(crate) fn rounding_text(mode: RoundingMode) -> &'static str {
    match mode {
        RoundingMode::PerDocument => "per_document",
        RoundingMode::PerLine => "per_line",
    }
}

/// And back; the column admits no other word.
pub(crate) fn rounding_mode(text: &str) -> Result<RoundingMode> {
    Ok(serde_json::from_value(text.into())?)
}

impl Rows {
    /// Has the next change begin with what this one leaves, once it is committed.
    pub(crate) fn remember(&self, tx: &mut Tx) {
        let parts: Parts = (self.lines.clone(), self.taxes.clone());
        let rows = parts.0.len() + parts.1.len();
        tx.remember(self.head.id.uuid(), self.head.version, rows, Arc::new(parts));
    }

    /// As callers see it today.
    pub(crate) fn to_response(&self) -> Result<Quotation> {
        let head = &self.head;
        let money = |minor| Money::new(minor, head.currency);
        let customer: CustomerInfo = serde_json::from_str(&head.customer)?;
        let today = Utc::now().date_naive();
        Ok(Quotation {
            id: head.id,
            number: head.number.clone(),
            status: head.status,
            customer_id: head.customer_id,
            customer: QuotationCustomer {
                number: customer.number,
                name: customer.name,
                payment_terms_days: customer.payment_terms_days,
                billing_address: customer.billing_address,
                shipping_address: customer.shipping_address,
            },
            warehouse_id: head.warehouse_id,
            quoted_on: head.quoted_on,
            valid_until: head.valid_until,
            currency: head.currency,
            prices_include_tax: head.prices_include_tax,
            rounding_mode: rounding_mode(&head.rounding_mode)?,
            lines: self.lines.iter().map(|line| to_line(line, &money)).collect(),
            totals: QuotationTotals {
                net: money(head.net_minor),
                tax: money(head.tax_minor),
                total: money(head.total_minor),
                taxes: self.taxes.iter().map(|tax| to_tax(tax, &money)).collect::<Result<_>>()?,
            },
            order_id: head.order_id,
            order_number: head.order_number.clone(),
            allowed_actions: allowed_actions(head.status, head.valid_until, today),
            version: head.version,
            created_at: head.created_at,
            updated_at: head.updated_at,
        })
    }

    /// As orders is told of it.
    pub(crate) fn to_snapshot(&self) -> Result<QuotationSnapshot> {
        let head = &self.head;
        let lines = self.lines.iter().map(|line| {
            Ok(QuotedLine {
                product_id: line.product_id,
                sku: line.sku.clone(),
                name: line.name.clone(),
                unit: line.unit.clone(),
                tax_class: code(&line.tax_class)?,
                quantity: line.quantity,
                unit_price: line.unit_price,
                discount: line.discount,
            })
        });
        Ok(QuotationSnapshot {
            id: head.id,
            number: head.number.clone(),
            customer: serde_json::from_str(&head.customer)?,
            currency: head.currency,
            prices_include_tax: head.prices_include_tax,
            rounding_mode: rounding_mode(&head.rounding_mode)?,
            warehouse_id: head.warehouse_id,
            lines: lines.collect::<Result<_>>()?,
            total: Money::new(head.total_minor, head.currency),
        })
    }

    /// Its lines as they were priced, to be totalled anew.
    pub(crate) fn to_priced_lines(&self) -> Result<Vec<PricedQuotationLine>> {
        let lines = self.lines.iter().map(|line| {
            Ok(PricedQuotationLine {
                product_id: line.product_id,
                sku: line.sku.clone(),
                name: line.name.clone(),
                unit: line.unit.clone(),
                quantity: line.quantity,
                unit_price: line.unit_price,
                price_list: line.price_list.clone(),
                discount: line.discount,
                tax_class: code(&line.tax_class)?,
            })
        });
        lines.collect()
    }
}

fn to_line(line: &quotation_line::Model, money: &impl Fn(i64) -> Money) -> QuotationLine {
    QuotationLine {
        id: line.id,
        product_id: line.product_id,
        sku: line.sku.clone(),
        name: line.name.clone(),
        unit: line.unit.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price,
        price_list: line.price_list.clone(),
        discount: line.discount,
        tax_class: line.tax_class.clone(),
        tax_rate: line.tax_rate,
        net: money(line.net_minor),
        tax: money(line.tax_minor),
        total: money(line.total_minor),
    }
}

fn to_tax(tax: &quotation_tax::Model, money: &impl Fn(i64) -> Money) -> Result<TaxTotal> {
    Ok(TaxTotal {
        tax_class: code(&tax.tax_class)?,
        rate: tax.rate,
        base: money(tax.base_minor),
        tax: money(tax.tax_minor),
    })
}

/// Checked when it was written.
fn code(text: &str) -> Result<Code> {
    Code::parse(text).map_err(Error::internal)
}

impl From<quotation::Model> for QuotationSummary {
    fn from(row: quotation::Model) -> Self {
        let money = |minor| Money::new(minor, row.currency);
        let today = Utc::now().date_naive();
        QuotationSummary {
            id: row.id,
            status: row.status,
            customer_id: row.customer_id,
            warehouse_id: row.warehouse_id,
            quoted_on: row.quoted_on,
            valid_until: row.valid_until,
            net: money(row.net_minor),
            tax: money(row.tax_minor),
            total: money(row.total_minor),
            order_id: row.order_id,
            allowed_actions: allowed_actions(row.status, row.valid_until, today),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            number: row.number,
        }
    }
}
