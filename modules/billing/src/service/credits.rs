//! Credit of customers: what payments and credit notes leave, and what becomes of the latter.
//!
//! A payment counts itself what is used of it. A credit note never changes, so that is
//! counted beside it, from its first use on.

use chrono::NaiveDate;
use contracts::events::CreditApplied;
use contracts::ids::{CreditNoteId, CustomerId, PaymentId};
use kernel::db::{Tx, execute, query_all};
use kernel::http::Reply;
use kernel::money::{Currency, Money};
use kernel::page::{Page, Sort};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QueryOrder, Value,
};
use uuid::Uuid;

use crate::entities::credit_allocation::CreditAllocationId;
use crate::entities::payment::Direction;
use crate::entities::{credit_allocation, credit_note, credit_note_use, invoice};
use crate::error::Error;
use crate::routes::credits::{
    AllocateCredit, Credit, CreditAllocation, CreditNoteCredit, ListCredits,
};
use crate::routes::payments::NewAllocation;
use crate::service::allocations::lock_invoices;
use crate::service::settling::{open_of, settle_invoices};
use crate::service::{Service, check_line_count, insert_all};

/// The name of the list in its cursors.
const LIST: &str = "credits";

#[derive(Debug, FromQueryResult)]
struct Row {
    id: Uuid,
    is_payment: bool,
    number: String,
    customer_id: CustomerId,
    dated_on: NaiveDate,
    currency: Currency,
    credit_minor: i64,
    applied_minor: i64,
    refunded_minor: i64,
}

impl Service {
    pub(crate) async fn list_credits(&self, query: ListCredits) -> Result<Page<Credit>> {
        let request = query.page();
        let mut values: Vec<Value> = Vec::new();
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let mut only = String::new();
        if let Some(id) = query.customer_id {
            only.push_str(&format!(" AND customer_id = {}", bind(id.into())));
        }
        let (order, beyond) = match request.sort {
            Sort::NewestFirst => ("DESC", '<'),
            Sort::OldestFirst => ("ASC", '>'),
        };
        if let Some(after) = request.after(LIST)? {
            only.push_str(&format!(" AND id {beyond} {}", bind(after.into())));
        }
        let limit = request.limit.rows() + 1;
        // The first of either, of which those of both are some: neither is read to its end.
        let sql = format!(
            "SELECT * FROM (\
                SELECT id, TRUE AS is_payment, number, customer_id, received_on AS dated_on, \
                    currency, amount_minor AS credit_minor, applied_minor, refunded_minor \
                FROM payments WHERE applied_minor + refunded_minor < amount_minor \
                    AND reversed_on IS NULL AND direction = 'incoming'{only} \
                ORDER BY id {order} LIMIT {limit}\
            ) AS of_payments UNION ALL SELECT * FROM (\
                SELECT id, FALSE, number, customer_id, issued_on, currency, \
                    total_minor - c.applied_minor, COALESCE(u.applied_minor, 0), \
                    COALESCE(u.refunded_minor, 0) \
                FROM credit_notes c LEFT JOIN credit_note_uses u ON u.credit_note_id = c.id \
                WHERE c.applied_minor < total_minor AND total_minor - c.applied_minor \
                    > COALESCE(u.applied_minor + u.refunded_minor, 0){only} \
                ORDER BY id {order} LIMIT {limit}\
            ) AS of_notes ORDER BY id {order} LIMIT {limit}"
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, values).await?;
        Ok(Page::cut(rows, |row| row.id, LIST, &request).map(present))
    }

    /// What a credit note left, and what became of it.
    pub(crate) async fn credit_note_credit(&self, id: CreditNoteId) -> Result<CreditNoteCredit> {
        let note = credit_note::Entity::find_by_id(id).one(self.db.read()).await?;
        let note = note.ok_or_else(|| kernel::Error::not_found("credit note", id))?;
        let used = credit_note_use::Entity::find_by_id(id).one(self.db.read()).await?;
        let used = used.unwrap_or_else(|| unused(&note));
        let allocations = allocations_of(self.db.read(), id).await?;
        Ok(present_note(&note, &used, allocations))
    }

    pub(crate) async fn allocate_credit(
        &self,
        ctx: &Ctx,
        id: CreditNoteId,
        request: AllocateCredit,
    ) -> Result<Reply> {
        check_line_count(request.allocations.len())?;
        let asked = request.allocations.into_iter().map(|allocation| NewAllocation {
            invoice_id: Some(allocation.invoice_id),
            bill_id: None,
            amount: allocation.amount,
        });
        let asked = self.read_allocations(Direction::Incoming, &asked.collect::<Vec<_>>())?;
        let mut tx = self.db.begin_once(ctx).await?;
        let note = credit_note::Entity::find_by_id(id).one(&*tx).await?;
        let note = note.ok_or_else(|| kernel::Error::not_found("credit note", id))?;
        let before = lock_use(&tx, &note).await?;
        let sum = asked.iter().try_fold(0_i64, |sum, (_, amount)| sum.checked_add(*amount));
        let left = before.left_minor();
        let sum = sum.filter(|sum| *sum <= left);
        let exhausted = || Error::CreditExhausted {
            pointer: "/allocations",
            left: Money::new(left, note.currency),
        };
        let sum = sum.ok_or_else(exhausted)?;
        let invoices = lock_invoices(&tx, Some(note.customer_id), &asked).await?;
        let written =
            invoices.iter().zip(&asked).map(|(row, (_, amount))| credit_allocation::Model {
                id: CreditAllocationId::new(),
                credit_note_id: id,
                invoice_id: row.id,
                amount_minor: *amount,
                created_at: tx.now(),
            });
        insert_all(&tx, written.collect::<Vec<_>>()).await?;
        let mut model = before.clone().into_active_model();
        model.applied_minor = Set(before.applied_minor + sum);
        let after = model.update(&*tx).await?;
        let amounts = invoices.into_iter().zip(asked.iter().map(|(_, amount)| *amount)).collect();
        let event_of = |row: &invoice::Model, amount: i64| CreditApplied {
            credit_note_id: id,
            credited_order_id: note.order_id,
            invoice_id: row.id,
            order_id: row.order_id,
            customer_id: row.customer_id,
            amount: Money::new(amount, row.currency),
            invoice_open: open_of(row),
        };
        settle_invoices(&mut tx, amounts, event_of).await?;
        let allocations = allocations_of(&*tx, id).await?;
        let after = present_note(&note, &after, allocations);
        let before = present_note(&note, &before, Vec::new());
        tx.audit("credit", id.uuid(), Some(&before), Some(&after))?;
        tx.reply(Reply::plain(&after)).await
    }
}

/// The note's credit, locked: whoever else uses it waits.
pub(crate) async fn lock_use(tx: &Tx, note: &credit_note::Model) -> Result<credit_note_use::Model> {
    let fresh = unused(note);
    if fresh.credit_minor == 0 {
        return Ok(fresh);
    }
    let sql = "INSERT INTO credit_note_uses \
        (credit_note_id, credit_minor, applied_minor, refunded_minor) VALUES ($1, $2, 0, 0) \
        ON CONFLICT (credit_note_id) DO NOTHING";
    execute(&**tx, sql, vec![note.id.into(), fresh.credit_minor.into()]).await?;
    let found = tx.lock::<credit_note_use::Entity>(note.id).await?;
    found.ok_or_else(|| kernel::Error::internal("a credit that was there is gone"))
}

/// The credit of a note of which nothing was used.
fn unused(note: &credit_note::Model) -> credit_note_use::Model {
    credit_note_use::Model {
        credit_note_id: note.id,
        credit_minor: note.total_minor - note.applied_minor,
        applied_minor: 0,
        refunded_minor: 0,
    }
}

async fn allocations_of(
    conn: &impl ConnectionTrait,
    id: CreditNoteId,
) -> Result<Vec<credit_allocation::Model>> {
    Ok(credit_allocation::Entity::find()
        .filter(credit_allocation::Column::CreditNoteId.eq(id))
        .order_by_asc(credit_allocation::Column::Id)
        .all(conn)
        .await?)
}

fn present(row: Row) -> Credit {
    let money = |minor| Money::new(minor, row.currency);
    Credit {
        payment_id: row.is_payment.then(|| PaymentId::from_uuid(row.id)),
        credit_note_id: (!row.is_payment).then(|| CreditNoteId::from_uuid(row.id)),
        number: row.number,
        customer_id: row.customer_id,
        dated_on: row.dated_on,
        amount: money(row.credit_minor),
        applied: money(row.applied_minor),
        refunded: money(row.refunded_minor),
        left: money(row.credit_minor - row.applied_minor - row.refunded_minor),
    }
}

fn present_note(
    note: &credit_note::Model,
    used: &credit_note_use::Model,
    allocations: Vec<credit_allocation::Model>,
) -> CreditNoteCredit {
    let money = |minor| Money::new(minor, note.currency);
    let allocations = allocations.into_iter().map(|row| CreditAllocation {
        id: row.id,
        invoice_id: row.invoice_id,
        amount: money(row.amount_minor),
        created_at: row.created_at,
    });
    CreditNoteCredit {
        credit_note_id: note.id,
        customer_id: note.customer_id,
        amount: money(used.credit_minor),
        applied: money(used.applied_minor),
        refunded: money(used.refunded_minor),
        left: money(used.left_minor()),
        allocations: allocations.collect(),
    }
}
