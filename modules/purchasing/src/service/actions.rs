//! Taking a purchase order from draft to its end.

use contracts::events::{ApprovedLine, ClosedLine, PurchaseOrderApproved, PurchaseOrderClosed};
use contracts::ids::PurchaseOrderId;
use kernel::db::audit::check_four_eyes;
use kernel::http::Reply;
use kernel::{Ctx, Result};

use crate::entities::purchase_order::{PurchaseOrderStatus, ReceiptStatus};
use crate::error::Error;
use crate::service::Service;
use crate::service::document::{Document, Growth, grow_lines};
use crate::service::status::PURCHASE_ORDER;
use crate::service::suppliers::find_active;
use crate::service::view::tax_class;

impl Service {
    pub(crate) async fn approve_purchase_order(
        &self,
        ctx: &Ctx,
        id: PurchaseOrderId,
    ) -> Result<Reply> {
        self.act(ctx, id, "approve").await
    }

    pub(crate) async fn send_purchase_order(
        &self,
        ctx: &Ctx,
        id: PurchaseOrderId,
    ) -> Result<Reply> {
        self.act(ctx, id, "send").await
    }

    pub(crate) async fn cancel_purchase_order(
        &self,
        ctx: &Ctx,
        id: PurchaseOrderId,
    ) -> Result<Reply> {
        self.act(ctx, id, "cancel").await
    }

    pub(crate) async fn close_purchase_order(
        &self,
        ctx: &Ctx,
        id: PurchaseOrderId,
    ) -> Result<Reply> {
        self.act(ctx, id, "close").await
    }

    async fn act(&self, ctx: &Ctx, id: PurchaseOrderId, action: &str) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = Document::lock(&tx, id).await?;
        ctx.check_version(before.order.version)?;
        let status = PURCHASE_ORDER.apply(before.order.status, action)?;
        check_goods(status, &before)?;
        if matches!(status, PurchaseOrderStatus::Approved | PurchaseOrderStatus::Sent) {
            find_active(&tx, before.order.supplier_id).await?;
        }
        if self.config.four_eyes && status == PurchaseOrderStatus::Approved {
            check_four_eyes(&tx, id.uuid()).await?;
        }
        let mut after = before.clone();
        if matches!(status, PurchaseOrderStatus::Closed | PurchaseOrderStatus::Cancelled) {
            let open: Vec<_> = before
                .lines
                .iter()
                .filter(|line| line.open.is_positive())
                .map(|line| Growth { line_id: line.id, by: line.open })
                .collect();
            if !open.is_empty() {
                let set = "short_closed = short_closed + v.quantity";
                grow_lines(&tx, id, &open, set, "open = v.quantity").await?;
            }
            after.order.is_closed_short = status == PurchaseOrderStatus::Closed;
        }
        after.enter(&tx, status);
        after.follow_lines(&tx).await?;
        after.save(&mut tx, &before).await?;
        let version = after.order.version;
        match status {
            PurchaseOrderStatus::Approved => tx.publish(id.uuid(), version, &approved(&after)?)?,
            // Nobody was told of a draft.
            PurchaseOrderStatus::Closed | PurchaseOrderStatus::Cancelled
                if before.order.status != PurchaseOrderStatus::Draft =>
            {
                tx.publish(id.uuid(), version, &closed(&before))?;
            }
            _ => {}
        }
        tx.reply(Reply::ok(&after.view())).await
    }
}

/// Goods that have arrived forbid cancelling; without any there is nothing to close.
fn check_goods(status: PurchaseOrderStatus, order: &Document) -> Result<(), Error> {
    let has_received = order.order.receipt_status != ReceiptStatus::None;
    match status {
        PurchaseOrderStatus::Cancelled if has_received => Err(Error::AlreadyReceived),
        PurchaseOrderStatus::Closed if !has_received => {
            Err(Error::NothingReceived { status: order.order.status })
        }
        _ => Ok(()),
    }
}

/// Told of all lines: whoever has heard of less that came than there was knows better then.
fn closed(document: &Document) -> PurchaseOrderClosed {
    let lines = document
        .lines
        .iter()
        .map(|line| ClosedLine { purchase_order_line_id: line.id, product_id: line.product_id });
    PurchaseOrderClosed {
        purchase_order_id: document.order.id,
        warehouse_id: document.order.warehouse_id,
        lines: lines.collect(),
    }
}

fn approved(document: &Document) -> Result<PurchaseOrderApproved> {
    let order = &document.order;
    let lines = document.lines.iter().map(|line| {
        Ok(ApprovedLine {
            purchase_order_line_id: line.id,
            product_id: line.product_id,
            sku: line.sku.clone(),
            name: line.name.clone(),
            unit: line.unit.clone(),
            quantity: line.ordered,
            unit_price: line.unit_price,
            tax_class: tax_class(&line.tax_class)?,
        })
    });
    Ok(PurchaseOrderApproved {
        purchase_order_id: order.id,
        number: order.number.clone(),
        supplier_id: order.supplier_id,
        supplier_name: order.supplier_name.clone(),
        // 0 to 120 by a CHECK of the table.
        payment_terms_days: order.payment_terms_days as u16,
        currency: order.currency,
        lines: lines.collect::<Result<_>>()?,
        warehouse_id: Some(order.warehouse_id),
        expected_on: order.expected_on,
    })
}
