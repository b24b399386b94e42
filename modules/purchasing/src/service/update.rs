//! Changing a draft.

use chrono::Utc;
use contracts::ids::PurchaseOrderId;
use kernel::date::business_date;
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::entities::purchase_order::{self, PurchaseOrderStatus};
use crate::entities::purchase_order_line;
use crate::routes::purchase_orders::PurchaseOrderPatch;
use crate::service::document::{Document, update_order};
use crate::service::draft::{DraftLines, insert_lines};
use crate::service::status::PURCHASE_ORDER;
use crate::service::suppliers::find_active;
use crate::service::{Service, dates};

impl Service {
    pub(crate) async fn update_purchase_order(
        &self,
        ctx: &Ctx,
        id: PurchaseOrderId,
        patch: PurchaseOrderPatch,
    ) -> Result<Reply> {
        let seen = self.look(ctx, id).await?;
        let order = &seen.order;
        if order.status != PurchaseOrderStatus::Draft {
            return Err(PURCHASE_ORDER.illegal(order.status, "update"));
        }
        let ordered_on = patch.ordered_on.unwrap_or(order.ordered_on);
        business_date(Some(ordered_on), Utc::now().date_naive(), "/ordered_on")?;
        dates::expected(patch.expected_on.unwrap_or(order.expected_on), ordered_on)?;
        if let Some(warehouse_id) = patch.warehouse_id {
            self.check_warehouse(ctx, warehouse_id).await?;
        }
        let draft = match &patch.lines {
            Some(lines) => {
                let rounding = Some(order.rounding()?);
                Some(self.draft_lines(ctx, order.currency, rounding, lines).await?)
            }
            None => None,
        };

        let mut tx = self.db.begin_once(ctx).await?;
        let before = self.lock_as_seen(&tx, &seen).await?;
        let after = store(&tx, &before, patch, draft).await?;
        let view = after.view();
        tx.audit("purchase_order", id.uuid(), Some(&before.view()), Some(&view))?;
        tx.reply(Reply::ok(&view)).await
    }
}

async fn store(
    tx: &Tx,
    before: &Document,
    patch: PurchaseOrderPatch,
    draft: Option<DraftLines>,
) -> Result<Document> {
    let mut after = before.clone();
    let order = &mut after.order;
    if let Some(supplier_id) = patch.supplier_id {
        let supplier = find_active(tx, supplier_id).await?;
        order.supplier_id = supplier.id;
        order.supplier_name = supplier.name;
        order.payment_terms_days = supplier.payment_terms_days;
    }
    if let Some(warehouse_id) = patch.warehouse_id {
        order.warehouse_id = warehouse_id;
    }
    if let Some(date) = patch.ordered_on {
        order.ordered_on = date;
    }
    if let Some(date) = patch.expected_on {
        order.expected_on = date;
    }
    if let Some(draft) = draft {
        order.net_minor = draft.totals.net.minor();
        order.tax_minor = draft.totals.tax.minor();
        order.total_minor = draft.totals.total.minor();
        let of_order = purchase_order_line::Column::PurchaseOrderId.eq(order.id);
        purchase_order_line::Entity::delete_many().filter(of_order).exec(&**tx).await?;
        after.lines = insert_lines(tx, order.id, draft).await?;
    }
    let order = &mut after.order;
    order.version += 1;
    order.updated_at = tx.now();
    let change = purchase_order::ActiveModel {
        supplier_id: Set(order.supplier_id),
        supplier_name: Set(order.supplier_name.clone()),
        payment_terms_days: Set(order.payment_terms_days),
        warehouse_id: Set(order.warehouse_id),
        ordered_on: Set(order.ordered_on),
        expected_on: Set(order.expected_on),
        net_minor: Set(order.net_minor),
        tax_minor: Set(order.tax_minor),
        total_minor: Set(order.total_minor),
        version: Set(order.version),
        updated_at: Set(order.updated_at),
        ..Default::default()
    };
    update_order(tx, order.id, before.order.version, change).await?;
    Ok(after)
}
