//! Settling documents with money: never above what is open, nor above what is left of the
//! payment.

use std::collections::{HashMap, HashSet};

use contracts::events::PaymentApplied;
use contracts::ids::{BillId, InvoiceId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, execute};
use kernel::money::Money;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value,
};
use uuid::Uuid;

use crate::entities::bill::BillStatus;
use crate::entities::invoice::InvoiceStatus;
use crate::entities::payment::Direction;
use crate::entities::payment_allocation::AllocationId;
use crate::entities::{bill, invoice, payment, payment_allocation};
use crate::error::Error;
use crate::routes::payments::NewAllocation;
use crate::service::presenting::{present_bill, present_invoice};
use crate::service::{Service, insert_all};

/// What an amount is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Invoice(InvoiceId),
    Bill(BillId),
}

/// An allocation asked for; its place in the request is its place in the list.
pub(crate) type Asked = (Target, i64);

/// Allocations that have been checked, with the documents they are for, in one order.
pub(crate) struct Plan {
    amounts: Vec<i64>,
    documents: Documents,
}

enum Documents {
    Invoices(Vec<invoice::Model>),
    Bills(Vec<bill::Model>),
}

impl Plan {
    /// What the allocations take of the payment. It was compared with what is left, so it
    /// cannot overflow.
    pub(crate) fn sum_minor(&self) -> i64 {
        self.amounts.iter().sum()
    }
}

impl Service {
    /// Allocations as asked for, each naming one document of the right kind once.
    pub(crate) fn read_allocations(
        &self,
        direction: Direction,
        allocations: &[NewAllocation],
    ) -> Result<Vec<Asked>, Error> {
        let mut seen = HashSet::new();
        let asked = allocations.iter().enumerate().map(|(index, allocation)| {
            let pointer = format!("/allocations/{index}");
            let target = match (direction, allocation.invoice_id, allocation.bill_id) {
                (Direction::Incoming, Some(id), None) => Target::Invoice(id),
                (Direction::Outgoing, None, Some(id)) => Target::Bill(id),
                _ => return Err(Error::WrongDocument { pointer, direction }),
            };
            if !seen.insert(target) {
                return Err(Error::DuplicateAllocation { pointer });
            }
            self.check_amount(allocation.amount, &format!("{pointer}/amount"))?;
            Ok((target, allocation.amount.minor()))
        });
        asked.collect()
    }
}

/// Checks what is asked of `payment` against the documents, which stay locked.
pub(crate) async fn plan(tx: &Tx, payment: &payment::Model, asked: Vec<Asked>) -> Result<Plan> {
    let left = payment.amount_minor - payment.applied_minor;
    let sum = asked.iter().try_fold(0_i64, |sum, (_, amount)| sum.checked_add(*amount));
    if sum.is_none_or(|sum| sum > left) {
        let unapplied = Money::new(left, payment.currency);
        return Err(Error::PaymentExhausted { unapplied }.into());
    }
    let documents = match payment.direction {
        Direction::Incoming => Documents::Invoices(invoices(tx, payment, &asked).await?),
        Direction::Outgoing => Documents::Bills(bills(tx, payment, &asked).await?),
    };
    Ok(Plan { amounts: asked.into_iter().map(|(_, amount)| amount).collect(), documents })
}

async fn invoices(
    tx: &Tx,
    payment: &payment::Model,
    asked: &[Asked],
) -> Result<Vec<invoice::Model>> {
    let ids = asked.iter().filter_map(|(target, _)| match target {
        Target::Invoice(id) => Some(*id),
        Target::Bill(_) => None,
    });
    // Locked in the order of their ids, as everywhere.
    let rows = invoice::Entity::find()
        .filter(invoice::Column::Id.is_in(ids.clone()))
        .order_by_asc(invoice::Column::Id)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    let mut by_id: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let mut found = Vec::with_capacity(asked.len());
    for (index, (id, (_, amount))) in ids.zip(asked).enumerate() {
        let row = by_id.remove(&id).ok_or(Error::UnknownInvoice { index, id })?;
        if Some(row.customer_id) != payment.customer_id {
            return Err(Error::OtherParty { pointer: pointer(index, "invoice_id") }.into());
        }
        let is_open = matches!(row.status, InvoiceStatus::Issued | InvoiceStatus::Settled);
        let open = row.total_minor - row.applied_minor - row.credited_minor;
        check_open(index, "invoice_id", is_open, Money::new(open, row.currency), *amount)?;
        found.push(row);
    }
    Ok(found)
}

async fn bills(tx: &Tx, payment: &payment::Model, asked: &[Asked]) -> Result<Vec<bill::Model>> {
    let ids = asked.iter().filter_map(|(target, _)| match target {
        Target::Bill(id) => Some(*id),
        Target::Invoice(_) => None,
    });
    let rows = bill::Entity::find()
        .filter(bill::Column::Id.is_in(ids.clone()))
        .order_by_asc(bill::Column::Id)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    let mut by_id: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let mut found = Vec::with_capacity(asked.len());
    for (index, (id, (_, amount))) in ids.zip(asked).enumerate() {
        let row = by_id.remove(&id).ok_or(Error::UnknownBill { index, id })?;
        if Some(row.supplier_id) != payment.supplier_id {
            return Err(Error::OtherParty { pointer: pointer(index, "bill_id") }.into());
        }
        let is_open = matches!(row.status, BillStatus::Approved | BillStatus::Settled);
        let open = row.total_minor - row.applied_minor;
        check_open(index, "bill_id", is_open, Money::new(open, row.currency), *amount)?;
        found.push(row);
    }
    Ok(found)
}

fn pointer(index: usize, field: &str) -> String {
    format!("/allocations/{index}/{field}")
}

fn check_open(
    index: usize,
    field: &str,
    is_open: bool,
    open: Money,
    amount: i64,
) -> Result<(), Error> {
    if !is_open {
        return Err(Error::DocumentNotOpen { pointer: pointer(index, field) });
    }
    if amount > open.minor() {
        return Err(Error::OverAllocated { pointer: pointer(index, "amount"), open });
    }
    Ok(())
}

/// Writes the allocations, counts them on the documents and tells who needs to know.
pub(crate) async fn apply(
    tx: &mut Tx,
    payment: &payment::Model,
    plan: Plan,
) -> Result<Vec<payment_allocation::Model>> {
    if plan.amounts.is_empty() {
        return Ok(Vec::new());
    }
    let allocation = |target: Target, amount_minor: i64| payment_allocation::Model {
        id: AllocationId::new(),
        payment_id: payment.id,
        invoice_id: if let Target::Invoice(id) = target { Some(id) } else { None },
        bill_id: if let Target::Bill(id) = target { Some(id) } else { None },
        amount_minor,
        created_at: payment.updated_at,
    };
    let mut written = Vec::with_capacity(plan.amounts.len());
    match plan.documents {
        Documents::Invoices(rows) => {
            let amounts = rows.iter().map(|row| row.id.uuid()).zip(plan.amounts.iter().copied());
            let sql = "UPDATE invoices SET applied_minor = applied_minor + a.amount, status = \
                CASE WHEN total_minor = applied_minor + credited_minor + a.amount \
                THEN 'settled' ELSE status END, version = version + 1, updated_at = {now} \
                FROM a WHERE invoices.id = a.id";
            count_applied(tx, sql, amounts).await?;
            for (row, amount) in rows.into_iter().zip(plan.amounts) {
                written.push(allocation(Target::Invoice(row.id), amount));
                tell_invoice(tx, payment, row, amount)?;
            }
        }
        Documents::Bills(rows) => {
            let amounts = rows.iter().map(|row| row.id.uuid()).zip(plan.amounts.iter().copied());
            let sql = "UPDATE bills SET applied_minor = applied_minor + a.amount, status = \
                CASE WHEN total_minor = applied_minor + a.amount \
                THEN 'settled' ELSE status END, version = version + 1, updated_at = {now} \
                FROM a WHERE bills.id = a.id";
            count_applied(tx, sql, amounts).await?;
            for (row, amount) in rows.into_iter().zip(plan.amounts) {
                written.push(allocation(Target::Bill(row.id), amount));
                tell_bill(tx, row, amount)?;
            }
        }
    }
    insert_all(tx, written.clone()).await?;
    Ok(written)
}

/// Runs `sql` over the list `a(id, amount)`.
async fn count_applied(
    tx: &Tx,
    sql: &str,
    amounts: impl Iterator<Item = (Uuid, i64)>,
) -> Result<()> {
    let rows = amounts.map(|(id, amount)| vec![Value::from(id), Value::from(amount)]);
    let columns = [("id", Column::Uuid), ("amount", Column::BigInt)];
    let mut values = Values::new(tx.get_database_backend(), "a", &columns, rows);
    let now = values.bind(tx.now());
    let (sql, values) = values.statement(&sql.replace("{now}", &now));
    execute(&**tx, sql, values).await?;
    Ok(())
}

/// The audit row and the event of an invoice that was settled in part or in whole; `row` is
/// how it was before.
fn tell_invoice(
    tx: &mut Tx,
    payment: &payment::Model,
    row: invoice::Model,
    amount: i64,
) -> Result<()> {
    let open = row.total_minor - row.applied_minor - row.credited_minor - amount;
    let after = invoice::Model {
        applied_minor: row.applied_minor + amount,
        status: if open == 0 { InvoiceStatus::Settled } else { row.status },
        version: row.version + 1,
        updated_at: tx.now(),
        ..row.clone()
    };
    let event = PaymentApplied {
        payment_id: payment.id,
        invoice_id: row.id,
        order_id: row.order_id,
        customer_id: row.customer_id,
        amount: Money::new(amount, row.currency),
        invoice_open: Money::new(open, row.currency),
    };
    tx.publish(row.order_id.uuid(), after.version, &event)?;
    let (id, before) = (row.id.uuid(), present_invoice(row, None)?);
    tx.audit("invoice", id, Some(&before), Some(&present_invoice(after, None)?))
}

/// The audit row of a bill that was settled in part or in whole.
fn tell_bill(tx: &mut Tx, row: bill::Model, amount: i64) -> Result<()> {
    let applied_minor = row.applied_minor + amount;
    let after = bill::Model {
        applied_minor,
        status: if applied_minor == row.total_minor { BillStatus::Settled } else { row.status },
        version: row.version + 1,
        updated_at: tx.now(),
        ..row.clone()
    };
    let (id, before) = (row.id.uuid(), present_bill(row, None)?);
    tx.audit("bill", id, Some(&before), Some(&present_bill(after, None)?))
}
