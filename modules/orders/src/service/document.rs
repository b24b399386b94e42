//! An order with its lines and taxes, as it is loaded, changed and stored.

use std::sync::Arc;

use chrono::NaiveDate;
use contracts::ids::{OrderId, OrderLineId};
use kernel::db::{Column, Db, Tx, Values, execute};
use kernel::quantity::Quantity;
use kernel::{Error, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;

use crate::entities::order::{self, BillingStatus, FulfilmentStatus, OrderStatus, PaymentStatus};
use crate::entities::{order_line, order_tax};
use crate::service::counters::Counters;
use crate::service::status;

/// An order with everything that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub order: order::Model,
    /// By position.
    pub lines: Vec<order_line::Model>,
    /// By tax class.
    pub taxes: Vec<order_tax::Model>,
}

/// What changes only with the order's version.
#[derive(Clone)]
struct Parts {
    lines: Vec<order_line::Model>,
    taxes: Vec<order_tax::Model>,
}

impl Document {
    /// Reads an order without locking it. The order comes first, so that its version is
    /// never newer than its lines.
    pub(crate) async fn read(db: &Db, id: OrderId) -> Result<Self> {
        let order = order::Entity::find_by_id(id).one(db.read()).await?;
        let order = order.ok_or_else(|| Error::not_found("order", id))?;
        let document = Self::complete(db, db.read(), order).await?;
        let (rows, parts) = document.parts();
        db.remember(id.uuid(), document.order.version, rows, parts);
        Ok(document)
    }

    /// Loads an order to change it. Its row is locked before its lines are read, so that
    /// changes to one order follow each other; SQLite has locked everything already.
    pub(crate) async fn lock(tx: &Tx, id: OrderId) -> Result<Self> {
        let order = tx.lock::<order::Entity>(id).await?;
        let order = order.ok_or_else(|| Error::not_found("order", id))?;
        Self::complete(tx.db(), &**tx, order).await
    }

    async fn complete(db: &Db, conn: &impl ConnectionTrait, order: order::Model) -> Result<Self> {
        if let Some(parts) = db.recall::<Parts>(order.id.uuid(), order.version) {
            let Parts { lines, taxes } = Parts::clone(&parts);
            return Ok(Document { order, lines, taxes });
        }
        let lines = order_line::Entity::find()
            .filter(order_line::Column::OrderId.eq(order.id))
            .order_by_asc(order_line::Column::Position)
            .all(conn)
            .await?;
        let taxes = order_tax::Entity::find()
            .filter(order_tax::Column::OrderId.eq(order.id))
            .order_by_asc(order_tax::Column::TaxClass)
            .all(conn)
            .await?;
        Ok(Document { order, lines, taxes })
    }

    /// What there is to remember, and how many rows that is.
    fn parts(&self) -> (usize, Arc<Parts>) {
        let parts = Parts { lines: self.lines.clone(), taxes: self.taxes.clone() };
        (parts.lines.len() + parts.taxes.len(), Arc::new(parts))
    }

    /// Has the next change begin with what this one leaves, once it is committed.
    pub(crate) fn remember(&self, tx: &mut Tx) {
        let (rows, parts) = self.parts();
        tx.remember(self.order.id.uuid(), self.order.version, rows, parts);
    }

    pub(crate) fn counters(&self) -> Vec<Counters> {
        self.lines.iter().map(order_line::Model::counters).collect()
    }

    pub(crate) fn line_mut(&mut self, id: OrderLineId) -> Option<&mut order_line::Model> {
        self.lines.iter_mut().find(|line| line.id == id)
    }

    /// Whether some of it is packed and has not left.
    pub(crate) fn has_packed(&self) -> bool {
        self.lines.iter().any(|line| line.picked.is_positive())
    }

    pub(crate) fn has_shipped(&self) -> bool {
        self.lines.iter().any(|line| line.shipped.is_positive())
    }

    /// Moves the order to `status` at the moment of `tx`.
    pub(crate) fn enter(&mut self, tx: &Tx, status: OrderStatus) {
        self.order.status = status;
        match status {
            OrderStatus::Draft => {}
            OrderStatus::Confirmed => self.order.confirmed_at = Some(tx.now()),
            OrderStatus::Completed => self.order.completed_at = Some(tx.now()),
            OrderStatus::Cancelled => self.order.cancelled_at = Some(tx.now()),
        }
    }

    /// Stores what changed since `before`: counters, status and amounts, and with them
    /// the derived statuses and the next version. One audit row tells of it.
    pub(crate) async fn save(&mut self, tx: &mut Tx, before: &Document) -> Result<()> {
        self.derive_statuses();
        self.order.version = before.order.version + 1;
        self.order.updated_at = tx.now();
        let changed: Vec<usize> =
            (0..self.lines.len()).filter(|i| self.lines[*i] != before.lines[*i]).collect();
        // The lines first: the database refuses an order that is over with lines open.
        if !changed.is_empty() {
            self.save_lines(tx, &changed).await?;
        }
        let order = &self.order;
        let change = order::ActiveModel {
            status: Set(order.status),
            fulfilment_status: Set(order.fulfilment_status),
            billing_status: Set(order.billing_status),
            payment_status: Set(order.payment_status),
            invoiced_minor: Set(order.invoiced_minor),
            credited_minor: Set(order.credited_minor),
            paid_minor: Set(order.paid_minor),
            refunded_minor: Set(order.refunded_minor),
            confirmed_at: Set(order.confirmed_at),
            completed_at: Set(order.completed_at),
            cancelled_at: Set(order.cancelled_at),
            version: Set(order.version),
            updated_at: Set(order.updated_at),
            ..Default::default()
        };
        update_order(tx, order.id, before.order.version, change).await?;
        self.remember(tx);
        let (old, new) = (before.audited(&changed), self.audited(&changed));
        tx.audit("order", self.order.id.uuid(), Some(&old), Some(&new))
    }

    fn derive_statuses(&mut self) {
        let counters = self.counters();
        let order = &mut self.order;
        order.fulfilment_status = status::fulfilment(&counters);
        order.billing_status = status::billing(&counters);
        order.payment_status = status::payment(
            order.billing_status,
            order.invoiced_minor,
            order.credited_minor,
            order.paid_minor,
            order.refunded_minor,
        );
    }

    async fn save_lines(&self, tx: &Tx, changed: &[usize]) -> Result<()> {
        let columns = [
            ("id", Column::Uuid),
            ("reserved", Column::BigInt),
            ("backordered", Column::BigInt),
            ("picked", Column::BigInt),
            ("shipped", Column::BigInt),
            ("cancelled", Column::BigInt),
            ("invoiced", Column::BigInt),
            ("returned", Column::BigInt),
            ("credited", Column::BigInt),
            ("promised_on", Column::Date),
        ];
        let rows = changed.iter().map(|i| {
            let line = &self.lines[*i];
            let mut row = vec![line.id.into()];
            row.extend(
                [
                    line.reserved,
                    line.backordered,
                    line.picked,
                    line.shipped,
                    line.cancelled,
                    line.invoiced,
                    line.returned,
                    line.credited,
                ]
                .map(|quantity| quantity.micros().into()),
            );
            row.push(line.promised_on.into());
            row
        });
        let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
            "UPDATE order_lines SET reserved = v.reserved, backordered = v.backordered, \
             picked = v.picked, shipped = v.shipped, cancelled = v.cancelled, \
             invoiced = v.invoiced, returned = v.returned, credited = v.credited, \
             promised_on = v.promised_on \
             FROM v WHERE order_lines.id = v.id",
        );
        execute(&**tx, sql, values).await?;
        Ok(())
    }

    /// What the audit log tells of the order: its state, and the lines at `changed`.
    fn audited(&self, changed: &[usize]) -> Audited<'_> {
        let order = &self.order;
        Audited {
            number: &order.number,
            status: order.status,
            fulfilment_status: order.fulfilment_status,
            billing_status: order.billing_status,
            payment_status: order.payment_status,
            invoiced_minor: order.invoiced_minor,
            credited_minor: order.credited_minor,
            paid_minor: order.paid_minor,
            refunded_minor: order.refunded_minor,
            version: order.version,
            lines: changed.iter().map(|i| AuditedLine::from(&self.lines[*i])).collect(),
        }
    }
}

/// Writes `change` if the order still has `version`; otherwise 412.
pub(crate) async fn update_order(
    tx: &Tx,
    id: OrderId,
    version: i64,
    change: order::ActiveModel,
) -> Result<()> {
    let updated = order::Entity::update_many()
        .set(change)
        .filter(order::Column::Id.eq(id))
        .filter(order::Column::Version.eq(version))
        .exec(&**tx)
        .await?;
    // The row is locked, so this only guards against a caller who forgot to.
    if updated.rows_affected == 1 { Ok(()) } else { Err(Error::stale(version)) }
}

#[derive(Serialize)]
struct Audited<'a> {
    number: &'a str,
    status: OrderStatus,
    fulfilment_status: FulfilmentStatus,
    billing_status: BillingStatus,
    payment_status: PaymentStatus,
    invoiced_minor: i64,
    credited_minor: i64,
    paid_minor: i64,
    refunded_minor: i64,
    version: i64,
    lines: Vec<AuditedLine>,
}

#[derive(Serialize)]
struct AuditedLine {
    id: OrderLineId,
    reserved: Quantity,
    backordered: Quantity,
    picked: Quantity,
    shipped: Quantity,
    cancelled: Quantity,
    invoiced: Quantity,
    returned: Quantity,
    credited: Quantity,
    #[serde(skip_serializing_if = "Option::is_none")]
    promised_on: Option<NaiveDate>,
}

impl From<&order_line::Model> for AuditedLine {
    fn from(line: &order_line::Model) -> Self {
        AuditedLine {
            id: line.id,
            reserved: line.reserved,
            backordered: line.backordered,
            picked: line.picked,
            shipped: line.shipped,
            cancelled: line.cancelled,
            invoiced: line.invoiced,
            returned: line.returned,
            credited: line.credited,
            promised_on: line.promised_on,
        }
    }
}

impl order_line::Model {
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            ordered: self.ordered.micros(),
            reserved: self.reserved.micros(),
            backordered: self.backordered.micros(),
            picked: self.picked.micros(),
            shipped: self.shipped.micros(),
            cancelled: self.cancelled.micros(),
            invoiced: self.invoiced.micros(),
            returned: self.returned.micros(),
            credited: self.credited.micros(),
        }
    }

    /// Notes for when what waits is promised; what does not wait is promised nothing.
    pub(crate) fn promise(&mut self, promised_on: Option<NaiveDate>) {
        self.promised_on = promised_on.filter(|_| self.backordered.is_positive());
    }

    /// Applies one step to the counters; a refused step changes nothing.
    pub(crate) fn step<T>(&mut self, step: impl FnOnce(&mut Counters) -> T) -> T {
        let mut counters = self.counters();
        let outcome = step(&mut counters);
        self.reserved = Quantity::from_micros(counters.reserved);
        self.backordered = Quantity::from_micros(counters.backordered);
        self.picked = Quantity::from_micros(counters.picked);
        self.shipped = Quantity::from_micros(counters.shipped);
        self.cancelled = Quantity::from_micros(counters.cancelled);
        self.invoiced = Quantity::from_micros(counters.invoiced);
        self.returned = Quantity::from_micros(counters.returned);
        self.credited = Quantity::from_micros(counters.credited);
        self.unallocated = Quantity::from_micros(counters.unallocated());
        self.promise(self.promised_on);
        outcome
    }
}
