//! Changing a draft.

use chrono::Utc;
use contracts::billing::Totals;
use contracts::ids::OrderId;
use kernel::date::business_date;
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::entities::order::{self, OrderStatus};
use crate::entities::{order_line, order_tax};
use crate::error::Error;
use crate::routes::orders::OrderPatch;
use crate::service::create::find_warnings;
use crate::service::document::{Document, update_order};
use crate::service::draft::{DraftLine, Pricing, drafts_of, insert_lines};
use crate::service::{Service, status};

/// New lines and what they come to.
type Relined = Option<(Vec<DraftLine>, Totals)>;

impl Service {
    pub(crate) async fn update_order(
        &self,
        ctx: &Ctx,
        id: OrderId,
        patch: OrderPatch,
    ) -> Result<Reply> {
        let seen = self.look(ctx, id).await?;
        if seen.order.status != OrderStatus::Draft {
            return Err(status::ORDER.illegal(seen.order.status, "update"));
        }
        let is_repriced = patch.lines.is_some() || patch.prices_include_tax.is_some();
        if is_repriced && seen.order.quotation_id.is_some() {
            return Err(Error::QuotedLinesFixed.into());
        }
        if let Some(date) = patch.ordered_on {
            business_date(Some(date), Utc::now().date_naive(), "/ordered_on")?;
        }
        if let Some(warehouse_id) = patch.warehouse_id {
            self.check_warehouse(ctx, warehouse_id).await?;
        }
        let relined = self.reprice(ctx, &seen, &patch).await?;

        let mut tx = self.db.begin_once(ctx).await?;
        let before = self.lock_as_seen(&tx, &seen).await?;
        let mut after = before.clone();
        apply(patch, &mut after.order)?;
        if let Some((lines, totals)) = relined {
            replace_lines(&tx, &mut after, lines, totals).await?;
        }
        // What changes nothing makes no new version.
        if after == before {
            return tx.reply(Reply::ok(&before.view()?)).await;
        }
        store(&tx, &before, &mut after.order).await?;
        after.remember(&mut tx);
        let warnings = find_warnings(&*tx, &after.order).await?;
        let view = after.view_with(warnings)?;
        tx.audit("order", id.uuid(), Some(&before.view()?), Some(&view))?;
        tx.reply(Reply::ok(&view)).await
    }

    /// New lines or the old ones under another way of taxing; `None` if neither changes.
    async fn reprice(&self, ctx: &Ctx, seen: &Document, patch: &OrderPatch) -> Result<Relined> {
        let order = &seen.order;
        let lines = match (&patch.lines, patch.prices_include_tax) {
            (Some(lines), _) => {
                let pricing = Pricing {
                    customer_id: order.customer_id,
                    currency: order.currency,
                    on: patch.ordered_on.unwrap_or(order.ordered_on),
                };
                self.draft_lines(ctx, pricing, lines).await?
            }
            (None, Some(_)) => drafts_of(&seen.lines)?,
            (None, None) => return Ok(None),
        };
        let prices_include_tax = patch.prices_include_tax.unwrap_or(order.prices_include_tax);
        let rounding = Some(order.rounding()?);
        let totals =
            self.total_draft(ctx, order.currency, prices_include_tax, rounding, &lines).await?;
        Ok(Some((lines, totals)))
    }
}

fn apply(patch: OrderPatch, order: &mut order::Model) -> Result<()> {
    if let Some(reference) = patch.customer_reference {
        order.customer_reference = reference.map(Into::into);
    }
    if let Some(warehouse_id) = patch.warehouse_id {
        order.warehouse_id = warehouse_id;
    }
    if let Some(date) = patch.ordered_on {
        order.ordered_on = date;
    }
    if let Some(allow_backorder) = patch.allow_backorder {
        order.allow_backorder = allow_backorder;
    }
    if let Some(prices_include_tax) = patch.prices_include_tax {
        order.prices_include_tax = prices_include_tax;
    }
    if let Some(address) = patch.shipping_address {
        let mut customer = order.customer_info()?;
        customer.shipping_address = address;
        order.customer = serde_json::to_string(&customer)?;
    }
    Ok(())
}

async fn replace_lines(
    tx: &Tx,
    document: &mut Document,
    lines: Vec<DraftLine>,
    totals: Totals,
) -> Result<()> {
    let order = &mut document.order;
    order.net_minor = totals.net.minor();
    order.tax_minor = totals.tax.minor();
    order.total_minor = totals.total.minor();
    let of_order = order_line::Column::OrderId.eq(order.id);
    order_line::Entity::delete_many().filter(of_order).exec(&**tx).await?;
    let of_order = order_tax::Column::OrderId.eq(order.id);
    order_tax::Entity::delete_many().filter(of_order).exec(&**tx).await?;
    (document.lines, document.taxes) = insert_lines(tx, order.id, lines, &totals)?;
    Ok(())
}

async fn store(tx: &Tx, before: &Document, order: &mut order::Model) -> Result<()> {
    order.version += 1;
    order.updated_at = tx.now();
    let change = order::ActiveModel {
        customer_reference: Set(order.customer_reference.clone()),
        customer: Set(order.customer.clone()),
        warehouse_id: Set(order.warehouse_id),
        ordered_on: Set(order.ordered_on),
        allow_backorder: Set(order.allow_backorder),
        prices_include_tax: Set(order.prices_include_tax),
        net_minor: Set(order.net_minor),
        tax_minor: Set(order.tax_minor),
        total_minor: Set(order.total_minor),
        version: Set(order.version),
        updated_at: Set(order.updated_at),
        ..Default::default()
    };
    update_order(tx, order.id, before.order.version, change).await
}
