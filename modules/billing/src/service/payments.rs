//! Payments: recorded, posted, and allocated to what they settle.

use chrono::Datelike;
use contracts::events::PaymentCaptured;
use contracts::ids::{PaymentId, SupplierId};
use kernel::date::business_date;
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::money::Money;
use kernel::page::{Page, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder,
};

use crate::entities::journal_entry::SourceType;
use crate::entities::payment::Direction;
use crate::entities::{payment, payment_allocation, purchase_order};
use crate::error::Error;
use crate::routes::payments::{
    AllocatePayment, ListPayments, NewPayment, Payment, PaymentAllocation,
};
use crate::service::allocations::{apply, plan};
use crate::service::journal::{Entry, Posting, account, post};
use crate::service::{MAX_LINES, Service, check_line_count, insert_all};

impl Service {
    pub(crate) async fn list_payments(&self, query: ListPayments) -> Result<Page<Payment>> {
        let mut select = payment::Entity::find();
        if let Some(direction) = query.direction {
            select = select.filter(payment::Column::Direction.eq(direction));
        }
        if let Some(id) = query.customer_id {
            select = select.filter(payment::Column::CustomerId.eq(id));
        }
        if let Some(id) = query.supplier_id {
            select = select.filter(payment::Column::SupplierId.eq(id));
        }
        if let Some(key) = &query.external_key {
            select = select.filter(payment::Column::ExternalKey.eq(&**key));
        }
        let id_of = |row: &payment::Model| row.id.uuid();
        let request = query.page();
        let page =
            fetch(self.db.read(), select, payment::Column::Id, id_of, "payments", &request).await?;
        Ok(page.map(|row| present(row, None)))
    }

    pub(crate) async fn payment(&self, id: PaymentId) -> Result<Payment> {
        let found = payment::Entity::find_by_id(id).one(self.db.read()).await?;
        let row = found.ok_or_else(|| kernel::Error::not_found("payment", id))?;
        let allocations = allocations_of(self.db.read(), id).await?;
        Ok(present(row, Some(allocations)))
    }

    pub(crate) async fn create_payment(&self, ctx: &Ctx, new: NewPayment) -> Result<Reply> {
        check_party(&new)?;
        self.check_amount(new.amount, "/amount")?;
        if new.allocations.len() > MAX_LINES {
            return Err(Error::TooManyLines { asked: new.allocations.len() }.into());
        }
        let asked = self.read_allocations(new.direction, &new.allocations)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let received_on = business_date(new.received_on, tx.now().date_naive(), "/received_on")?;
        // What is settled at once is compared with the party below.
        if new.allocations.is_empty() {
            check_known(&tx, &new).await?;
        }
        let number = tx.next_number("PAY", received_on.year()).await?;
        let mut row = payment::Model {
            id: PaymentId::new(),
            number,
            direction: new.direction,
            customer_id: new.customer_id,
            supplier_id: new.supplier_id,
            method: new.method,
            received_on,
            external_key: new.external_key.map(Into::into),
            currency: new.amount.currency(),
            amount_minor: new.amount.minor(),
            applied_minor: 0,
            refunded_minor: 0,
            reversed_on: None,
            reversal_reason: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        let plan = plan(&tx, &row, asked).await?;
        row.applied_minor = plan.sum_minor();
        insert_all(&tx, [row.clone()]).await.or_conflict(|| Error::ExternalKeyTaken.into())?;
        post(&tx, entry(&row)).await?;
        publish_captured(&mut tx, &row)?;
        let allocations = apply(&mut tx, &row, plan).await?;
        let payment = present(row, Some(allocations));
        tx.audit_new("payment", payment.id.uuid(), &payment)?;
        let location = format!("/api/v1/billing/payments/{}", payment.id);
        tx.reply(Reply::created(&payment, location)).await
    }

    pub(crate) async fn allocate_payment(
        &self,
        ctx: &Ctx,
        id: PaymentId,
        request: AllocatePayment,
    ) -> Result<Reply> {
        check_line_count(request.allocations.len())?;
        let mut tx = self.db.begin_once(ctx).await?;
        let before = lock_payment(&tx, id).await?;
        ctx.check_version(before.version)?;
        let asked = self.read_allocations(before.direction, &request.allocations)?;
        let plan = plan(&tx, &before, asked).await?;
        let mut model = before.clone().into_active_model();
        model.applied_minor = Set(before.applied_minor + plan.sum_minor());
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        apply(&mut tx, &after, plan).await?;
        let allocations = allocations_of(&*tx, id).await?;
        let after = present(after, Some(allocations));
        tx.audit("payment", id.uuid(), Some(&present(before, None)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    /// Refuses an amount of nothing, of less, or in another currency than the books'.
    pub(crate) fn check_amount(&self, amount: Money, pointer: &str) -> Result<(), Error> {
        self.check_currency(amount.currency(), pointer)?;
        if amount.minor() > 0 {
            return Ok(());
        }
        Err(Error::AmountNotPositive { pointer: pointer.into() })
    }
}

/// Money comes from a customer and goes to a supplier.
fn check_party(new: &NewPayment) -> Result<(), Error> {
    let pointer = match (new.direction, new.customer_id, new.supplier_id) {
        (Direction::Incoming, Some(_), None) | (Direction::Outgoing, None, Some(_)) => {
            return Ok(());
        }
        (Direction::Incoming, None, _) | (Direction::Outgoing, Some(_), _) => "/customer_id",
        (Direction::Incoming, Some(_), Some(_)) | (Direction::Outgoing, None, None) => {
            "/supplier_id"
        }
    };
    Err(Error::WrongParty { pointer, direction: new.direction })
}

/// Refuses money on account that cannot be of its party. We owe nothing without a purchase order,
/// and hear of each that is approved. Of customers we hear when something is shipped, and they
/// may pay before: of them only those are refused who are suppliers.
async fn check_known(tx: &Tx, new: &NewPayment) -> Result<()> {
    let (customer, supplier) = (new.customer_id.map(|id| id.uuid()), new.supplier_id);
    let Some(id) = supplier.or(customer.map(SupplierId::from_uuid)) else { return Ok(()) };
    let of_supplier = purchase_order::Column::SupplierId.eq(id);
    let is_supplier =
        purchase_order::Entity::find().filter(of_supplier).one(&**tx).await?.is_some();
    let direction = new.direction;
    match (direction, is_supplier) {
        (Direction::Incoming, true) => {
            Err(Error::UnknownParty { pointer: "/customer_id", direction }.into())
        }
        (Direction::Outgoing, false) => {
            Err(Error::UnknownParty { pointer: "/supplier_id", direction }.into())
        }
        _ => Ok(()),
    }
}

pub(crate) async fn lock_payment(tx: &Tx, id: PaymentId) -> Result<payment::Model> {
    let found = tx.lock::<payment::Entity>(id).await?;
    found.ok_or_else(|| kernel::Error::not_found("payment", id))
}

pub(crate) async fn allocations_of(
    conn: &impl ConnectionTrait,
    id: PaymentId,
) -> Result<Vec<payment_allocation::Model>> {
    Ok(payment_allocation::Entity::find()
        .filter(payment_allocation::Column::PaymentId.eq(id))
        .order_by_asc(payment_allocation::Column::Id)
        .all(conn)
        .await?)
}

/// The bank against what customers owe us or what we owe suppliers.
pub(crate) fn postings(row: &payment::Model) -> Vec<Posting> {
    let amount = row.amount_minor;
    match row.direction {
        Direction::Incoming => vec![(account::BANK, amount), (account::RECEIVABLE, -amount)],
        Direction::Outgoing => vec![(account::PAYABLE, amount), (account::BANK, -amount)],
    }
}

fn entry(row: &payment::Model) -> Entry {
    let verb = match row.direction {
        Direction::Incoming => "received",
        Direction::Outgoing => "sent",
    };
    Entry {
        source_type: SourceType::Payment,
        source_id: row.id.uuid(),
        entry_on: row.received_on,
        document_on: row.received_on,
        description: format!("Payment {} {verb}", row.number),
        currency: row.currency,
        postings: postings(row),
    }
}

fn publish_captured(tx: &mut Tx, row: &payment::Model) -> Result<()> {
    // Only a customer's money: nobody hears of what we pay.
    let Some(customer_id) = row.customer_id else { return Ok(()) };
    let event = PaymentCaptured {
        payment_id: row.id,
        customer_id,
        received_on: row.received_on,
        amount: Money::new(row.amount_minor, row.currency),
    };
    tx.publish(row.id.uuid(), row.version, &event)
}

/// The payment as it is answered; without its allocations in lists.
pub(crate) fn present(
    row: payment::Model,
    allocations: Option<Vec<payment_allocation::Model>>,
) -> Payment {
    let money = |minor| Money::new(minor, row.currency);
    let unapplied_minor = row.left_minor();
    let mut allowed_actions = Vec::new();
    if unapplied_minor > 0 {
        allowed_actions.push("allocate");
    }
    if row.reversed_on.is_none() && row.refunded_minor == 0 {
        allowed_actions.push("reverse");
    }
    let allocations = allocations.map(|allocations| {
        let allocations = allocations.into_iter().map(|allocation| PaymentAllocation {
            id: allocation.id,
            invoice_id: allocation.invoice_id,
            bill_id: allocation.bill_id,
            amount: money(allocation.amount_minor),
            reverses_id: allocation.reverses_id,
            reason: allocation.reason,
            created_at: allocation.created_at,
        });
        allocations.collect()
    });
    Payment {
        id: row.id,
        number: row.number,
        direction: row.direction,
        customer_id: row.customer_id,
        supplier_id: row.supplier_id,
        method: row.method,
        received_on: row.received_on,
        external_key: row.external_key,
        amount: money(row.amount_minor),
        applied: money(row.applied_minor),
        refunded: money(row.refunded_minor),
        unapplied: money(unapplied_minor),
        allocations,
        reversed_on: row.reversed_on,
        reversal_reason: row.reversal_reason,
        allowed_actions,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
