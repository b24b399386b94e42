//! Settling documents with money: never above what is open, nor above what is left of the
//! payment.

use std::collections::{HashMap, HashSet};

use contracts::events::PaymentApplied;
use contracts::ids::{BillId, CustomerId, InvoiceId};
use kernel::Result;
use kernel::db::Tx;
use kernel::money::Money;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entities::bill::BillStatus;
use crate::entities::invoice::InvoiceStatus;
use crate::entities::payment::Direction;
use crate::entities::payment_allocation::AllocationId;
use crate::entities::{bill, invoice, payment, payment_allocation};
use crate::error::Error;
use crate::routes::payments::NewAllocation;
use crate::service::settling::{open_of, settle_bills, settle_invoices};
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
    check_not_reversed(payment)?;
    let left = payment.left_minor();
    let sum = asked.iter().try_fold(0_i64, |sum, (_, amount)| sum.checked_add(*amount));
    if sum.is_none_or(|sum| sum > left) {
        let unapplied = Money::new(left, payment.currency);
        return Err(Error::PaymentExhausted { unapplied }.into());
    }
    let documents = match payment.direction {
        Direction::Incoming => {
            Documents::Invoices(lock_invoices(tx, payment.customer_id, &asked).await?)
        }
        Direction::Outgoing => Documents::Bills(bills(tx, payment, &asked).await?),
    };
    Ok(Plan { amounts: asked.into_iter().map(|(_, amount)| amount).collect(), documents })
}

/// Refuses what was taken back.
pub(crate) fn check_not_reversed(payment: &payment::Model) -> Result<(), Error> {
    payment.reversed_on.map_or(Ok(()), |on| Err(Error::PaymentReversed { on }))
}

/// The invoices that are asked for, in that order: locked, of the customer, and open for it.
pub(crate) async fn lock_invoices(
    tx: &Tx,
    customer_id: Option<CustomerId>,
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
        if Some(row.customer_id) != customer_id {
            return Err(Error::OtherParty { pointer: pointer(index, "invoice_id") }.into());
        }
        let is_open = matches!(row.status, InvoiceStatus::Issued | InvoiceStatus::Settled);
        check_open(index, "invoice_id", is_open, open_of(&row), *amount)?;
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
        reverses_id: None,
        reason: None,
        created_at: payment.updated_at,
    };
    let written: Vec<_> = match &plan.documents {
        Documents::Invoices(rows) => rows.iter().map(|row| Target::Invoice(row.id)).collect(),
        Documents::Bills(rows) => rows.iter().map(|row| Target::Bill(row.id)).collect(),
    };
    let written: Vec<_> = written
        .into_iter()
        .zip(&plan.amounts)
        .map(|(target, amount)| allocation(target, *amount))
        .collect();
    insert_all(tx, written.clone()).await?;
    match plan.documents {
        Documents::Invoices(rows) => {
            let amounts = rows.into_iter().zip(plan.amounts).collect();
            settle_invoices(tx, amounts, |row, amount| PaymentApplied {
                payment_id: payment.id,
                invoice_id: row.id,
                order_id: row.order_id,
                customer_id: row.customer_id,
                amount: Money::new(amount, row.currency),
                invoice_open: open_of(row),
            })
            .await?;
        }
        Documents::Bills(rows) => {
            settle_bills(tx, rows.into_iter().zip(plan.amounts).collect()).await?;
        }
    }
    Ok(written)
}
