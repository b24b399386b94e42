//! Invoices: from draft to settled.

use chrono::{Datelike, NaiveDate};
use contracts::billing::RoundingMode;
use contracts::events::{InvoiceIssued, OrderLineQuantity};
use contracts::ids::{InvoiceId, OrderLineId};
use kernel::date::business_date;
use kernel::db::{Tx, next_gapless_number};
use kernel::http::Reply;
use kernel::machine::{Machine, Transition};
use kernel::money::Money;
use kernel::page::{Page, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use crate::entities::invoice::InvoiceStatus;
use crate::entities::journal_entry::SourceType;
use crate::entities::{invoice, invoice_line};
use crate::error::Error;
use crate::routes::invoices::{Invoice, IssueInvoice, ListInvoices};
use crate::service::Service;
use crate::service::dates::days_after;
use crate::service::journal::{Entry, account, post};
use crate::service::presenting::present_invoice as present;
use crate::service::seal::{Last, seal_invoice};
use crate::service::totals::Terms;

/// Every transition of an invoice. `settle` happens by itself, when nothing is open.
pub(crate) const MACHINE: Machine<InvoiceStatus> = Machine {
    resource: "the invoice",
    transitions: &[
        Transition { action: "issue", from: &[InvoiceStatus::Draft], to: InvoiceStatus::Issued },
        Transition {
            action: "discard",
            from: &[InvoiceStatus::Draft],
            to: InvoiceStatus::Discarded,
        },
        Transition {
            action: "redraft",
            from: &[InvoiceStatus::Discarded],
            to: InvoiceStatus::Draft,
        },
        Transition { action: "settle", from: &[InvoiceStatus::Issued], to: InvoiceStatus::Settled },
        Transition { action: "credit", from: &[InvoiceStatus::Issued], to: InvoiceStatus::Issued },
        Transition {
            action: "credit",
            from: &[InvoiceStatus::Settled],
            to: InvoiceStatus::Settled,
        },
    ],
};

impl Service {
    pub(crate) async fn list_invoices(&self, query: ListInvoices) -> Result<Page<Invoice>> {
        let mut select = invoice::Entity::find();
        if let Some(status) = query.status {
            select = select.filter(invoice::Column::Status.eq(status));
        }
        if let Some(id) = query.customer_id {
            select = select.filter(invoice::Column::CustomerId.eq(id));
        }
        if let Some(id) = query.order_id {
            select = select.filter(invoice::Column::OrderId.eq(id));
        }
        if let Some(id) = query.shipment_id {
            select = select.filter(invoice::Column::ShipmentId.eq(id));
        }
        let id_of = |row: &invoice::Model| row.id.uuid();
        let request = query.page();
        let page =
            fetch(self.db.read(), select, invoice::Column::Id, id_of, "invoices", &request).await?;
        let data = page.data.into_iter().map(|row| present(row, None)).collect::<Result<_>>()?;
        Ok(Page { data, page: page.page })
    }

    pub(crate) async fn invoice(&self, id: InvoiceId) -> Result<Invoice> {
        let found = invoice::Entity::find_by_id(id).one(self.db.read()).await?;
        let row = found.ok_or_else(|| kernel::Error::not_found("invoice", id))?;
        let lines = lines_of(self.db.read(), id).await?;
        present(row, Some(&lines))
    }

    pub(crate) async fn issue_invoice(
        &self,
        ctx: &Ctx,
        id: InvoiceId,
        request: IssueInvoice,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = lock_invoice(&tx, id).await?;
        ctx.check_version(before.version)?;
        let status = MACHINE.apply(before.status, "issue")?;
        let issued_on = business_date(request.issued_on, tx.now().date_naive(), "/issued_on")?;
        if issued_on < before.shipped_on {
            return Err(Error::IssuedBeforeShipped { shipped_on: before.shipped_on }.into());
        }
        let series = format!("INV-{}", issued_on.year());
        let lines = lines_of(&*tx, id).await?;
        // First the number: its counter makes all others wait who issue in this series, so
        // that what is read as the last one stays the last one.
        let (number, seq) = next_gapless_number(&*tx, "INV", issued_on.year()).await?;
        let last = last_issued(&tx, &series).await?;
        check_chronology(last.as_ref(), issued_on)?;
        let mut after = invoice::Model {
            status: if before.total_minor == 0 { MACHINE.apply(status, "settle")? } else { status },
            number: Some(number.clone()),
            series: Some(series),
            seq: Some(seq),
            issued_on: Some(issued_on),
            due_on: Some(days_after(issued_on, before.payment_terms_days)),
            prev_hash: Some(last.map(|last| last.hash).unwrap_or_default()),
            version: before.version + 1,
            updated_at: tx.now(),
            ..before.clone()
        };
        after.hash = Some(seal_invoice(&after, &lines)?);
        update(&tx, &before, &after).await?;

        let description = format!("Invoice {number} for {}", after.order_number);
        post(&tx, entry(&after, issued_on, description)).await?;
        tx.publish(after.order_id.uuid(), after.version, &issued_event(&after, number, &lines)?)?;
        let after = present(after, Some(&lines))?;
        tx.audit("invoice", id.uuid(), Some(&present(before, None)?), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    pub(crate) async fn discard_invoice(&self, ctx: &Ctx, id: InvoiceId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = lock_invoice(&tx, id).await?;
        ctx.check_version(before.version)?;
        let mut model = before.clone().into_active_model();
        model.status = Set(MACHINE.apply(before.status, "discard")?);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        let lines = lines_of(&*tx, id).await?;
        let after = present(after, Some(&lines))?;
        tx.audit("invoice", id.uuid(), Some(&present(before, None)?), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// The invoice, kept from others until this ends.
pub(crate) async fn lock_invoice(tx: &Tx, id: InvoiceId) -> Result<invoice::Model> {
    let found = tx.lock::<invoice::Entity>(id).await?;
    found.ok_or_else(|| kernel::Error::not_found("invoice", id))
}

/// Its lines, by position.
pub(crate) async fn lines_of(
    conn: &impl ConnectionTrait,
    id: InvoiceId,
) -> Result<Vec<invoice_line::Model>> {
    Ok(invoice_line::Entity::find()
        .filter(invoice_line::Column::InvoiceId.eq(id))
        .order_by_asc(invoice_line::Column::Position)
        .all(conn)
        .await?)
}

/// The terms the invoice was made under.
pub(crate) fn terms(invoice: &invoice::Model) -> Terms {
    Terms {
        currency: invoice.currency,
        rounding: invoice.rounding,
        rounding_mode: RoundingMode::from(invoice.rounding_mode),
        prices_include_tax: invoice.prices_include_tax,
    }
}

async fn last_issued(tx: &Tx, series: &str) -> Result<Option<Last>> {
    Ok(invoice::Entity::find()
        .select_only()
        .columns([invoice::Column::IssuedOn, invoice::Column::Hash])
        .filter(invoice::Column::Series.eq(series))
        .order_by_desc(invoice::Column::Seq)
        .into_model()
        .one(&**tx)
        .await?)
}

/// The dates of a series do not go back (domain rule B-7).
pub(crate) fn check_chronology(last: Option<&Last>, issued_on: NaiveDate) -> Result<(), Error> {
    match last {
        Some(last) if issued_on < last.issued_on => {
            Err(Error::DateBeforeLastIssued { asked: issued_on, last: last.issued_on })
        }
        _ => Ok(()),
    }
}

/// Writes the columns that issuing sets.
async fn update(tx: &Tx, before: &invoice::Model, after: &invoice::Model) -> Result<()> {
    let mut model = before.clone().into_active_model();
    model.status = Set(after.status);
    model.number = Set(after.number.clone());
    model.series = Set(after.series.clone());
    model.seq = Set(after.seq);
    model.issued_on = Set(after.issued_on);
    model.due_on = Set(after.due_on);
    model.prev_hash = Set(after.prev_hash.clone());
    model.hash = Set(after.hash.clone());
    model.version = Set(after.version);
    model.updated_at = Set(after.updated_at);
    model.update(&**tx).await?;
    Ok(())
}

/// Receivable against revenue and output tax.
fn entry(row: &invoice::Model, entry_on: NaiveDate, description: String) -> Entry {
    Entry {
        source_type: SourceType::Invoice,
        source_id: row.id.uuid(),
        entry_on,
        document_on: entry_on,
        description,
        currency: row.currency,
        postings: vec![
            (account::RECEIVABLE, row.total_minor),
            (account::REVENUE, -row.net_minor),
            (account::OUTPUT_TAX, -row.tax_minor),
        ],
    }
}

fn issued_event(
    row: &invoice::Model,
    number: String,
    lines: &[invoice_line::Model],
) -> Result<InvoiceIssued> {
    // Both are set by issuing.
    let dates = row.issued_on.zip(row.due_on);
    let (issued_on, due_on) =
        dates.ok_or_else(|| kernel::Error::internal("an issued invoice without dates"))?;
    Ok(InvoiceIssued {
        invoice_id: row.id,
        number,
        order_id: row.order_id,
        shipment_id: row.shipment_id,
        customer_id: row.customer_id,
        issued_on,
        due_on,
        total: Money::new(row.total_minor, row.currency),
        lines: by_order_line(lines.iter().map(|line| (line.order_line_id, line.quantity)))?,
    })
}

/// Quantities summed by order line, in the order they first occur.
fn by_order_line(
    lines: impl Iterator<Item = (OrderLineId, Quantity)>,
) -> Result<Vec<OrderLineQuantity>> {
    let mut sums: Vec<OrderLineQuantity> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (order_line_id, quantity) in lines {
        let place = *places.entry(order_line_id).or_insert_with(|| {
            sums.push(OrderLineQuantity { order_line_id, quantity: Quantity::ZERO });
            sums.len() - 1
        });
        let sum = sums[place].quantity.checked_add(quantity);
        sums[place].quantity = sum.map_err(kernel::Error::internal)?;
    }
    Ok(sums)
}
