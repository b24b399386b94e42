//! Credit notes: issued in one step with the counters of their invoice.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use contracts::events::{CreditNoteIssued, CreditedLine, OrderLineQuantity};
use contracts::ids::{CreditNoteId, InvoiceId};
use kernel::date::business_date;
use kernel::db::{Column, Tx, Values, execute, next_gapless_number};
use kernel::http::Reply;
use kernel::money::Money;
use kernel::page::{Page, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use crate::entities::credit_note_line::CreditNoteLineId;
use crate::entities::invoice::InvoiceStatus;
use crate::entities::journal_entry::SourceType;
use crate::entities::{credit_note, credit_note_line, invoice, invoice_line};
use crate::error::Error;
use crate::routes::credit_notes::{CreditNote, ListCreditNotes, NewCreditNote, NewCreditNoteLine};
use crate::service::crediting::{Credit, InvoicedLine, credit};
use crate::service::invoices::{MACHINE, check_chronology, lines_of, lock_invoice, terms};
use crate::service::journal::{Entry, account, post};
use crate::service::presenting::{present_credit_note as present, present_invoice};
use crate::service::seal::{Last, seal_credit_note};
use crate::service::tax_rates::stored_class;
use crate::service::totals::NetTax;
use crate::service::{Service, check_line_count, insert_all};

/// What one line of a credit note takes back of the invoice line at `credit.index`.
type Taken = (Credit, NetTax);

impl Service {
    pub(crate) async fn list_credit_notes(
        &self,
        query: ListCreditNotes,
    ) -> Result<Page<CreditNote>> {
        let mut select = credit_note::Entity::find();
        if let Some(id) = query.invoice_id {
            select = select.filter(credit_note::Column::InvoiceId.eq(id));
        }
        if let Some(id) = query.customer_id {
            select = select.filter(credit_note::Column::CustomerId.eq(id));
        }
        let id_of = |row: &credit_note::Model| row.id.uuid();
        let request = query.page();
        let key = credit_note::Column::Id;
        let page = fetch(self.db.read(), select, key, id_of, "credit-notes", &request).await?;
        let data = page.data.into_iter().map(|row| present(row, None)).collect::<Result<_>>()?;
        Ok(Page { data, page: page.page })
    }

    pub(crate) async fn credit_note(&self, id: CreditNoteId) -> Result<CreditNote> {
        let found = credit_note::Entity::find_by_id(id).one(self.db.read()).await?;
        let row = found.ok_or_else(|| kernel::Error::not_found("credit note", id))?;
        let own = credit_note_line::Entity::find()
            .filter(credit_note_line::Column::CreditNoteId.eq(id))
            .order_by_asc(credit_note_line::Column::Position)
            .all(self.db.read())
            .await?;
        let invoiced = lines_of(self.db.read(), row.invoice_id).await?;
        present(row, Some((&own, &invoiced)))
    }

    pub(crate) async fn create_credit_note(
        &self,
        ctx: &Ctx,
        invoice_id: InvoiceId,
        new: NewCreditNote,
    ) -> Result<Reply> {
        if let Some(lines) = &new.lines {
            check_line_count(lines.len())?;
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let invoice = lock_invoice(&tx, invoice_id).await?;
        MACHINE.apply(invoice.status, "credit")?;
        let issued_on = business_date(new.issued_on, tx.now().date_naive(), "/issued_on")?;
        if let Some(day) = invoice.issued_on.filter(|day| issued_on < *day) {
            return Err(Error::IssuedBeforeInvoice { issued_on: day }.into());
        }
        let invoiced = lines_of(&*tx, invoice_id).await?;
        let credits = match new.lines {
            Some(asked) => credits_asked(&invoiced, &asked)?,
            None => everything_left(&invoiced)?,
        };
        let amounts = credit(terms(&invoice), &as_invoiced(&invoiced)?, &credits);
        let amounts = amounts.map_err(Error::from)?;
        let taken: Vec<_> = credits.into_iter().zip(amounts).collect();

        let (row, lines) =
            write(&tx, &invoice, &invoiced, &taken, issued_on, new.reason.into()).await?;
        let after = lower_invoice(&tx, &invoice, &invoiced, &taken, &row).await?;
        let description = format!("Credit note {} for {}", row.number, row.invoice_number);
        post(&tx, entry(&row, description)).await?;
        tx.publish(row.order_id.uuid(), after.version, &issued_event(&row, &invoiced, &taken))?;

        let note = present(row, Some((&lines, &invoiced)))?;
        tx.audit_new("credit_note", note.id.uuid(), &note)?;
        let (before, after) = (present_invoice(invoice, None)?, present_invoice(after, None)?);
        tx.audit("invoice", invoice_id.uuid(), Some(&before), Some(&after))?;
        let location = format!("/api/v1/billing/credit-notes/{}", note.id);
        tx.reply(Reply::created_plain(&note, location)).await
    }
}

/// The credits asked for, checked against what is left of each line.
fn credits_asked(
    invoiced: &[invoice_line::Model],
    asked: &[NewCreditNoteLine],
) -> Result<Vec<Credit>, Error> {
    let places: HashMap<_, _> =
        invoiced.iter().enumerate().map(|(index, line)| (line.id, index)).collect();
    let mut seen = vec![false; invoiced.len()];
    let mut credits = Vec::with_capacity(asked.len());
    for (position, line) in asked.iter().enumerate() {
        let id = line.invoice_line_id;
        let index = *places.get(&id).ok_or(Error::UnknownInvoiceLine { position, id })?;
        if std::mem::replace(&mut seen[index], true) {
            let pointer = format!("/lines/{position}/invoice_line_id");
            return Err(Error::DuplicateLine { pointer });
        }
        let left = left(&invoiced[index])?;
        if line.quantity.get() > left {
            return Err(Error::OverCredited { position, asked: line.quantity.get(), left });
        }
        credits.push(Credit { index, quantity: line.quantity.get() });
    }
    Ok(credits)
}

/// All that has not been credited yet.
fn everything_left(invoiced: &[invoice_line::Model]) -> Result<Vec<Credit>, Error> {
    let mut credits = Vec::new();
    for (index, line) in invoiced.iter().enumerate() {
        let quantity = left(line)?;
        if quantity.is_positive() {
            credits.push(Credit { index, quantity });
        }
    }
    if credits.is_empty() { Err(Error::NothingToCredit) } else { Ok(credits) }
}

fn left(line: &invoice_line::Model) -> Result<kernel::quantity::Quantity, Error> {
    line.quantity.checked_sub(line.credited_quantity).map_err(|_| Error::AmountOverflow)
}

fn as_invoiced(lines: &[invoice_line::Model]) -> Result<Vec<InvoicedLine>> {
    let lines = lines.iter().map(|line| {
        Ok(InvoicedLine {
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_class: stored_class(&line.tax_class)?,
            tax_rate: line.tax_rate,
            invoiced: NetTax { net: line.net_minor, tax: line.tax_minor },
            credited_quantity: line.credited_quantity,
            credited: NetTax { net: line.credited_net_minor, tax: line.credited_tax_minor },
        })
    });
    lines.collect()
}

/// Writes the note: its lines first, because the database checks it against them.
async fn write(
    tx: &Tx,
    invoice: &invoice::Model,
    invoiced: &[invoice_line::Model],
    taken: &[Taken],
    issued_on: NaiveDate,
    reason: String,
) -> Result<(credit_note::Model, Vec<credit_note_line::Model>)> {
    let id = CreditNoteId::new();
    let lines = taken.iter().zip(1..).map(|((credit, amount), position)| credit_note_line::Model {
        id: CreditNoteLineId::new(),
        credit_note_id: id,
        position,
        invoice_line_id: invoiced[credit.index].id,
        quantity: credit.quantity,
        net_minor: amount.net,
        tax_minor: amount.tax,
    });
    let lines: Vec<_> = lines.collect();
    let net_minor: i64 = lines.iter().map(|line| line.net_minor).sum();
    let tax_minor: i64 = lines.iter().map(|line| line.tax_minor).sum();
    let total_minor = net_minor + tax_minor;
    let open_minor = invoice.total_minor - invoice.applied_minor - invoice.credited_minor;

    let (number, seq) = next_gapless_number(&**tx, "CN", issued_on.year()).await?;
    let series = format!("CN-{}", issued_on.year());
    let last = last_issued(tx, &series).await?;
    check_chronology(last.as_ref(), issued_on)?;
    let mut row = credit_note::Model {
        id,
        number,
        series,
        seq,
        invoice_id: invoice.id,
        // An invoice that can be credited has one.
        invoice_number: invoice.number.clone().unwrap_or_default(),
        order_id: invoice.order_id,
        order_number: invoice.order_number.clone(),
        customer_id: invoice.customer_id,
        customer: invoice.customer.clone(),
        issued_on,
        reason,
        currency: invoice.currency,
        prices_include_tax: invoice.prices_include_tax,
        rounding_mode: invoice.rounding_mode,
        net_minor,
        tax_minor,
        total_minor,
        applied_minor: total_minor.min(open_minor),
        prev_hash: last.map(|last| last.hash).unwrap_or_default(),
        hash: String::new(),
        created_at: tx.now(),
    };
    row.hash = seal_credit_note(&row, &lines)?;
    insert_all(tx, lines.clone()).await?;
    insert_all(tx, [row.clone()]).await?;
    Ok((row, lines))
}

async fn last_issued(tx: &Tx, series: &str) -> Result<Option<Last>> {
    Ok(credit_note::Entity::find()
        .select_only()
        .columns([credit_note::Column::IssuedOn, credit_note::Column::Hash])
        .filter(credit_note::Column::Series.eq(series))
        .order_by_desc(credit_note::Column::Seq)
        .into_model()
        .one(&**tx)
        .await?)
}

/// Counts the credit on the invoice and its lines; CHECKs there refuse more than is left.
async fn lower_invoice(
    tx: &Tx,
    invoice: &invoice::Model,
    invoiced: &[invoice_line::Model],
    taken: &[Taken],
    note: &credit_note::Model,
) -> Result<invoice::Model> {
    let rows = taken.iter().map(|(credit, amount)| {
        let id = invoiced[credit.index].id;
        vec![id.into(), credit.quantity.micros().into(), amount.net.into(), amount.tax.into()]
    });
    let columns = [
        ("id", Column::Uuid),
        ("quantity", Column::BigInt),
        ("net", Column::BigInt),
        ("tax", Column::BigInt),
    ];
    let (sql, values) = Values::new(tx.get_database_backend(), "credit", &columns, rows).statement(
        "UPDATE invoice_lines SET \
             credited_quantity = credited_quantity + credit.quantity, \
             credited_net_minor = credited_net_minor + credit.net, \
             credited_tax_minor = credited_tax_minor + credit.tax \
             FROM credit WHERE invoice_lines.id = credit.id",
    );
    execute(&**tx, sql, values).await?;

    let credited_minor = invoice.credited_minor + note.applied_minor;
    let is_closed = invoice.applied_minor + credited_minor == invoice.total_minor;
    let mut model = invoice.clone().into_active_model();
    if is_closed && invoice.status == InvoiceStatus::Issued {
        model.status = Set(MACHINE.apply(invoice.status, "settle")?);
    }
    model.credited_minor = Set(credited_minor);
    model.credit_notes_minor = Set(invoice.credit_notes_minor + note.total_minor);
    model.version = Set(invoice.version + 1);
    model.updated_at = Set(tx.now());
    Ok(model.update(&**tx).await?)
}

/// Revenue and output tax against the receivable.
fn entry(row: &credit_note::Model, description: String) -> Entry {
    Entry {
        source_type: SourceType::CreditNote,
        source_id: row.id.uuid(),
        entry_on: row.issued_on,
        document_on: row.issued_on,
        description,
        currency: row.currency,
        postings: vec![
            (account::REVENUE, row.net_minor),
            (account::OUTPUT_TAX, row.tax_minor),
            (account::RECEIVABLE, -row.total_minor),
        ],
    }
}

fn issued_event(
    row: &credit_note::Model,
    invoiced: &[invoice_line::Model],
    taken: &[Taken],
) -> CreditNoteIssued {
    let lines = taken.iter().map(|(credit, amount)| CreditedLine {
        line: OrderLineQuantity {
            order_line_id: invoiced[credit.index].order_line_id,
            quantity: credit.quantity,
        },
        net: Money::new(amount.net, row.currency),
    });
    CreditNoteIssued {
        credit_note_id: row.id,
        number: row.number.clone(),
        invoice_id: row.invoice_id,
        order_id: row.order_id,
        customer_id: row.customer_id,
        issued_on: row.issued_on,
        total: Money::new(row.total_minor, row.currency),
        lines: lines.collect(),
    }
}
