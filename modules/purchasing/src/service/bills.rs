//! What billing has approved for payment.

use std::collections::BTreeMap;

use contracts::events::BillApproved;
use contracts::ids::PurchaseOrderLineId;
use kernel::events::Event;
use kernel::quantity::Quantity;
use kernel::{Error as KernelError, Result};
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::entities::billed_line;
use crate::error::Error;
use crate::service::Service;
use crate::service::document::{Document, Growth, grow_lines};

impl Service {
    /// Notes what is on an approved bill, whatever the order has come to: the bill may be
    /// ahead of its goods, or come long after the order was closed.
    pub(crate) async fn note_bill(&self, event: &Event) -> Result<()> {
        let bill: BillApproved = event.parse()?;
        let id = bill.purchase_order_id;
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let before = Document::lock(&tx, id).await.map_err(|error| match error.status() {
            404 => Error::BillOfUnknownOrder(id).into(),
            _ => error,
        })?;
        let mut quantities: BTreeMap<PurchaseOrderLineId, Quantity> = BTreeMap::new();
        for line in bill.lines {
            if before.line(line.purchase_order_line_id).is_none() {
                return Err(Error::BillOfUnknownLine(line.purchase_order_line_id).into());
            }
            let sum = quantities.entry(line.purchase_order_line_id).or_default();
            *sum = sum.checked_add(line.quantity).map_err(KernelError::internal)?;
        }
        if quantities.is_empty() {
            return tx.commit().await;
        }
        let growths: Vec<_> =
            quantities.iter().map(|(line_id, by)| Growth { line_id: *line_id, by: *by }).collect();
        let rows = growths.iter().map(|growth| {
            let row = billed_line::Model {
                bill_id: bill.bill_id,
                purchase_order_line_id: growth.line_id,
                quantity: growth.by,
            };
            row.into_active_model()
        });
        billed_line::Entity::insert_many(rows).exec_without_returning(&*tx).await?;
        grow_lines(&tx, id, &growths, "on_bills = on_bills + v.quantity", "v.quantity > 0").await?;
        let mut after = before.clone();
        after.follow_lines(&tx).await?;
        after.save(&mut tx, &before).await?;
        tx.commit().await
    }
}
