//! The hash chain of issued documents: each document's hash covers its content and the hash
//! of the one before it in its series, so that a changed byte is found (domain rule B-8).

use chrono::NaiveDate;
use contracts::billing::RoundingMode;
use contracts::ids::InvoiceLineId;
use kernel::Result;
use kernel::money::{Percent, Rounding, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::entities::{credit_note, credit_note_line, invoice, invoice_line};

/// Documents whose hashes are computed at a time.
const BATCH: u64 = 200;

/// What came before in a series.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Last {
    pub issued_on: NaiveDate,
    pub hash: String,
}

#[derive(Serialize)]
struct InvoiceContent<'a> {
    id: Uuid,
    number: Option<&'a str>,
    issued_on: Option<NaiveDate>,
    due_on: Option<NaiveDate>,
    order_id: Uuid,
    order_number: &'a str,
    shipment_id: Uuid,
    shipment_number: &'a str,
    shipped_on: NaiveDate,
    customer_id: Uuid,
    customer: &'a str,
    payment_terms_days: i64,
    currency: &'a str,
    prices_include_tax: bool,
    rounding_mode: RoundingMode,
    rounding: Rounding,
    net_minor: i64,
    tax_minor: i64,
    total_minor: i64,
    lines: Vec<InvoiceLineContent<'a>>,
}

#[derive(Serialize)]
struct InvoiceLineContent<'a> {
    id: InvoiceLineId,
    position: i64,
    order_line_id: Uuid,
    product_id: Uuid,
    sku: &'a str,
    name: &'a str,
    unit: &'a str,
    quantity: Quantity,
    unit_price: UnitPrice,
    discount: Percent,
    tax_class: &'a str,
    tax_rate: Percent,
    net_minor: i64,
    tax_minor: i64,
}

/// The hash of an invoice whose number and dates are set; `lines` by position.
pub(crate) fn seal_invoice(row: &invoice::Model, lines: &[invoice_line::Model]) -> Result<String> {
    let lines = lines.iter().map(|line| InvoiceLineContent {
        id: line.id,
        position: line.position,
        order_line_id: line.order_line_id.uuid(),
        product_id: line.product_id.uuid(),
        sku: &line.sku,
        name: &line.name,
        unit: &line.unit,
        quantity: line.quantity,
        unit_price: line.unit_price,
        discount: line.discount,
        tax_class: &line.tax_class,
        tax_rate: line.tax_rate,
        net_minor: line.net_minor,
        tax_minor: line.tax_minor,
    });
    let content = InvoiceContent {
        id: row.id.uuid(),
        number: row.number.as_deref(),
        issued_on: row.issued_on,
        due_on: row.due_on,
        order_id: row.order_id.uuid(),
        order_number: &row.order_number,
        shipment_id: row.shipment_id.uuid(),
        shipment_number: &row.shipment_number,
        shipped_on: row.shipped_on,
        customer_id: row.customer_id.uuid(),
        customer: &row.customer,
        payment_terms_days: row.payment_terms_days,
        currency: row.currency.code(),
        prices_include_tax: row.prices_include_tax,
        rounding_mode: row.rounding_mode.into(),
        rounding: row.rounding,
        net_minor: row.net_minor,
        tax_minor: row.tax_minor,
        total_minor: row.total_minor,
        lines: lines.collect(),
    };
    seal(row.prev_hash.as_deref().unwrap_or_default(), &content)
}

#[derive(Serialize)]
struct CreditNoteContent<'a> {
    id: Uuid,
    number: &'a str,
    issued_on: NaiveDate,
    invoice_id: Uuid,
    invoice_number: &'a str,
    order_id: Uuid,
    order_number: &'a str,
    customer_id: Uuid,
    customer: &'a str,
    reason: &'a str,
    currency: &'a str,
    prices_include_tax: bool,
    rounding_mode: RoundingMode,
    net_minor: i64,
    tax_minor: i64,
    total_minor: i64,
    applied_minor: i64,
    lines: Vec<CreditNoteLineContent>,
}

#[derive(Serialize)]
struct CreditNoteLineContent {
    id: Uuid,
    position: i64,
    invoice_line_id: InvoiceLineId,
    quantity: Quantity,
    net_minor: i64,
    tax_minor: i64,
}

/// The hash of a credit note; `lines` by position.
pub(crate) fn seal_credit_note(
    row: &credit_note::Model,
    lines: &[credit_note_line::Model],
) -> Result<String> {
    let lines = lines.iter().map(|line| CreditNoteLineContent {
        id: line.id.uuid(),
        position: line.position,
        invoice_line_id: line.invoice_line_id,
        quantity: line.quantity,
        net_minor: line.net_minor,
        tax_minor: line.tax_minor,
    });
    let content = CreditNoteContent {
        id: row.id.uuid(),
        number: &row.number,
        issued_on: row.issued_on,
        invoice_id: row.invoice_id.uuid(),
        invoice_number: &row.invoice_number,
        order_id: row.order_id.uuid(),
        order_number: &row.order_number,
        customer_id: row.customer_id.uuid(),
        customer: &row.customer,
        reason: &row.reason,
        currency: row.currency.code(),
        prices_include_tax: row.prices_include_tax,
        rounding_mode: row.rounding_mode.into(),
        net_minor: row.net_minor,
        tax_minor: row.tax_minor,
        total_minor: row.total_minor,
        applied_minor: row.applied_minor,
        lines: lines.collect(),
    };
    seal(&row.prev_hash, &content)
}

fn seal(prev_hash: &str, content: &impl Serialize) -> Result<String> {
    let content = serde_json::to_vec(content)?;
    let digest = Sha256::new().chain_update(prev_hash).chain_update(content).finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Issued documents whose hash is not that of their content.
pub(crate) async fn count_broken(conn: &impl ConnectionTrait) -> Result<i64> {
    Ok(broken_invoices(conn).await? + broken_credit_notes(conn).await?)
}

async fn broken_invoices(conn: &impl ConnectionTrait) -> Result<i64> {
    let (mut broken, mut after) = (0, None);
    loop {
        let select = invoice::Entity::find().filter(invoice::Column::Hash.is_not_null());
        let batch = next_batch(select, invoice::Column::Id, after).all(conn).await?;
        let Some(last) = batch.last() else {
            return Ok(broken);
        };
        after = Some(last.id.uuid());
        let lines = invoice_line::Entity::find()
            .filter(invoice_line::Column::InvoiceId.is_in(batch.iter().map(|row| row.id)))
            .order_by_asc(invoice_line::Column::InvoiceId)
            .order_by_asc(invoice_line::Column::Position)
            .all(conn)
            .await?;
        for row in &batch {
            let own = lines.partition_point(|line| line.invoice_id < row.id)
                ..lines.partition_point(|line| line.invoice_id <= row.id);
            broken += i64::from(row.hash.as_deref() != Some(&seal_invoice(row, &lines[own])?));
        }
    }
}

async fn broken_credit_notes(conn: &impl ConnectionTrait) -> Result<i64> {
    let (mut broken, mut after) = (0, None);
    loop {
        let select = credit_note::Entity::find();
        let batch = next_batch(select, credit_note::Column::Id, after).all(conn).await?;
        let Some(last) = batch.last() else {
            return Ok(broken);
        };
        after = Some(last.id.uuid());
        let lines = credit_note_line::Entity::find()
            .filter(credit_note_line::Column::CreditNoteId.is_in(batch.iter().map(|row| row.id)))
            .order_by_asc(credit_note_line::Column::CreditNoteId)
            .order_by_asc(credit_note_line::Column::Position)
            .all(conn)
            .await?;
        for row in &batch {
            let own = lines.partition_point(|line| line.credit_note_id < row.id)
                ..lines.partition_point(|line| line.credit_note_id <= row.id);
            broken += i64::from(row.hash != seal_credit_note(row, &lines[own])?);
        }
    }
}

fn next_batch<E: EntityTrait>(select: Select<E>, key: E::Column, after: Option<Uuid>) -> Select<E> {
    let select = match after {
        Some(after) => select.filter(key.gt(after)),
        None => select,
    };
    select.order_by_asc(key).limit(BATCH)
}
