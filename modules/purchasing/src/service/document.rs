//! A purchase order with its lines, as it is loaded, changed and stored.

use contracts::ids::{PurchaseOrderId, PurchaseOrderLineId};
use kernel::db::{Column, Tx, Values, execute};
use kernel::quantity::Quantity;
use kernel::{Error, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use serde::Serialize;

use crate::entities::purchase_order::{self, BillingStatus, PurchaseOrderStatus, ReceiptStatus};
use crate::entities::purchase_order_line;
use crate::service::status::{self, Counters};

/// A purchase order with everything that belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub order: purchase_order::Model,
    /// By position.
    pub lines: Vec<purchase_order_line::Model>,
}

/// How much a counter of a line grows by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub line_id: PurchaseOrderLineId,
    pub by: Quantity,
}

impl Document {
    /// Reads an order without locking it. The order comes first, so that its version is
    /// never newer than its lines.
    pub(crate) async fn read(conn: &impl ConnectionTrait, id: PurchaseOrderId) -> Result<Self> {
        Self::load(conn, id, purchase_order::Entity::find_by_id(id)).await
    }

    /// Loads an order to change it. Its row is locked before its lines are read, so that
    /// changes to one order follow each other; SQLite has locked everything already.
    pub(crate) async fn lock(tx: &Tx, id: PurchaseOrderId) -> Result<Self> {
        let select = purchase_order::Entity::find_by_id(id).lock_exclusive();
        Self::load(&**tx, id, select).await
    }

    async fn load(
        conn: &impl ConnectionTrait,
        id: PurchaseOrderId,
        select: Select<purchase_order::Entity>,
    ) -> Result<Self> {
        let order = select.one(conn).await?;
        let order = order.ok_or_else(|| Error::not_found("purchase order", id))?;
        let lines = lines_of(conn, id).await?;
        Ok(Document { order, lines })
    }

    pub(crate) fn counters(&self) -> Vec<Counters> {
        self.lines.iter().map(purchase_order_line::Model::counters).collect()
    }

    pub(crate) fn line(&self, id: PurchaseOrderLineId) -> Option<&purchase_order_line::Model> {
        self.lines.iter().find(|line| line.id == id)
    }

    /// Moves the order to `status` at the moment of `tx`.
    pub(crate) fn enter(&mut self, tx: &Tx, status: PurchaseOrderStatus) {
        use PurchaseOrderStatus::{Approved, Cancelled, Closed, Draft, Received, Sent};
        let order = &mut self.order;
        if order.status == status {
            return;
        }
        order.status = status;
        match status {
            Approved => order.approved_at = Some(tx.now()),
            Sent => order.sent_at = Some(tx.now()),
            Closed => order.closed_at = Some(tx.now()),
            Cancelled => order.cancelled_at = Some(tx.now()),
            Draft | Received => {}
        }
    }

    /// Reads the lines again, after a statement has changed their counters, and follows
    /// them: the order is received or closed when they say so.
    pub(crate) async fn follow_lines(&mut self, tx: &Tx) -> Result<()> {
        self.lines = lines_of(&**tx, self.order.id).await?;
        let status = status::after_change(self.order.status, &self.counters());
        self.enter(tx, status);
        Ok(())
    }

    /// Stores the order as it is now, with the derived statuses and the next version. The
    /// lines have been stored before: the database refuses an order that is over with
    /// lines open. One audit row tells of all of it.
    pub(crate) async fn save(&mut self, tx: &mut Tx, before: &Document) -> Result<()> {
        let counters = self.counters();
        let order = &mut self.order;
        order.receipt_status = status::receipts(&counters);
        order.billing_status = status::billing(&counters);
        order.version = before.order.version + 1;
        order.updated_at = tx.now();
        let change = purchase_order::ActiveModel {
            status: Set(order.status),
            receipt_status: Set(order.receipt_status),
            billing_status: Set(order.billing_status),
            approved_at: Set(order.approved_at),
            sent_at: Set(order.sent_at),
            closed_at: Set(order.closed_at),
            cancelled_at: Set(order.cancelled_at),
            is_closed_short: Set(order.is_closed_short),
            version: Set(order.version),
            updated_at: Set(order.updated_at),
            ..Default::default()
        };
        update_order(tx, order.id, before.order.version, change).await?;
        let (old, new) = (before.audited(&self.lines), self.audited(&before.lines));
        tx.audit("purchase_order", self.order.id.uuid(), Some(&old), Some(&new))
    }

    /// What the audit log tells of the order: its state, and the lines that differ from
    /// `others`.
    fn audited(&self, others: &[purchase_order_line::Model]) -> Audited<'_> {
        let changed = self.lines.iter().zip(others).filter(|(line, other)| line != other);
        Audited {
            number: &self.order.number,
            status: self.order.status,
            receipt_status: self.order.receipt_status,
            billing_status: self.order.billing_status,
            version: self.order.version,
            lines: changed.map(|(line, _)| AuditedLine::from(line)).collect(),
        }
    }
}

async fn lines_of(
    conn: &impl ConnectionTrait,
    id: PurchaseOrderId,
) -> Result<Vec<purchase_order_line::Model>> {
    let lines = purchase_order_line::Entity::find()
        .filter(purchase_order_line::Column::PurchaseOrderId.eq(id))
        .order_by_asc(purchase_order_line::Column::Position)
        .all(conn)
        .await?;
    Ok(lines)
}

/// Writes `change` if the order still has `version`; otherwise 412.
pub(crate) async fn update_order(
    tx: &Tx,
    id: PurchaseOrderId,
    version: i64,
    change: purchase_order::ActiveModel,
) -> Result<()> {
    let updated = purchase_order::Entity::update_many()
        .set(change)
        .filter(purchase_order::Column::Id.eq(id))
        .filter(purchase_order::Column::Version.eq(version))
        .exec(&**tx)
        .await?;
    // The row is locked, so this only guards against a caller who forgot to.
    if updated.rows_affected == 1 { Ok(()) } else { Err(Error::stale(version)) }
}

/// Runs `UPDATE purchase_order_lines SET {set} FROM v(id, by) WHERE .. AND {condition}`
/// for lines of this order, in one statement; returns how many it touched.
pub(crate) async fn grow_lines(
    tx: &Tx,
    id: PurchaseOrderId,
    growths: &[Growth],
    set: &str,
    condition: &str,
) -> Result<u64> {
    let columns = [("id", Column::Uuid), ("quantity", Column::BigInt)];
    let rows = growths.iter().map(|growth| vec![growth.line_id.into(), growth.by.micros().into()]);
    let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    let order_id = values.bind(id);
    let (sql, values) = values.statement(&format!(
        "UPDATE purchase_order_lines SET {set} FROM v WHERE purchase_order_lines.id = v.id \
         AND purchase_order_lines.purchase_order_id = {order_id} AND {condition}"
    ));
    Ok(execute(&**tx, sql, values).await?)
}

#[derive(Serialize)]
struct Audited<'a> {
    number: &'a str,
    status: PurchaseOrderStatus,
    receipt_status: ReceiptStatus,
    billing_status: BillingStatus,
    version: i64,
    lines: Vec<AuditedLine>,
}

#[derive(Serialize)]
struct AuditedLine {
    id: PurchaseOrderLineId,
    received: Quantity,
    short_closed: Quantity,
    on_bills: Quantity,
}

impl From<&purchase_order_line::Model> for AuditedLine {
    fn from(line: &purchase_order_line::Model) -> Self {
        AuditedLine {
            id: line.id,
            received: line.received,
            short_closed: line.short_closed,
            on_bills: line.on_bills,
        }
    }
}

impl purchase_order_line::Model {
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            ordered: self.ordered.micros(),
            received: self.received.micros(),
            short_closed: self.short_closed.micros(),
            on_bills: self.on_bills.micros(),
        }
    }
}
