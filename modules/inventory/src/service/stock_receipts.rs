//! Taking in stock that has no purchase order.

use std::collections::HashMap;

use contracts::events::StockAdjusted;
use contracts::ids::ProductId;
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::money::Money;
use kernel::{Ctx, Result};
use uuid::Uuid;

use crate::entities::product;
use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::error::Error;
use crate::routes::receipts::{NewStockReceipt, StockReceipt};
use crate::service::backorders::fill_backorders;
use crate::service::bins::{Bins, Part};
use crate::service::levels::{Key, Levels};
use crate::service::locations::find_locations;
use crate::service::lots::{Wanted, open_lots};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::references::{check_fineness, find_products, find_warehouse};
use crate::service::stock_periods::open_date;
use crate::service::{MAX_RECEIPT_LINES, Service, check_line_count};

impl Service {
    pub(crate) async fn receive_stock(&self, ctx: &Ctx, new: NewStockReceipt) -> Result<Reply> {
        check_line_count(new.lines.len(), MAX_RECEIPT_LINES)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let receipt = self.post_receipt(&mut tx, new).await?;
        let location = format!("/api/v1/inventory/moves?source_id={}", receipt.id);
        tx.reply(Reply::created_plain(&receipt, location)).await
    }

    /// Posts a receipt of 1 to [`MAX_RECEIPT_LINES`] lines.
    pub(crate) async fn post_receipt(
        &self,
        tx: &mut Tx,
        new: NewStockReceipt,
    ) -> Result<StockReceipt> {
        let received_on = open_date(tx, new.received_on, "/received_on").await?;
        let warehouse = find_warehouse(tx, new.warehouse_id, "/warehouse_id").await?;
        let (warehouse_id, pointer) = (warehouse.id, "/warehouse_id".to_owned());
        if !warehouse.is_active {
            return Err(Error::WarehouseInactive { pointer, code: warehouse.code }.into());
        }
        let ids: Vec<_> = new.lines.iter().map(|line| line.product_id).collect();
        let products = find_products(tx, &ids).await?;
        let key = |product_id| Key { product_id, warehouse_id };
        let mut levels = Levels::lock(tx, &ids.iter().copied().map(key).collect()).await?;
        // Levels first, then lots, as everywhere.
        let mut bins = bins_of(tx, &new, &products).await?;
        let mut total = Money::zero(self.company.currency);
        let mut moves = Vec::with_capacity(new.lines.len());
        for (i, line) in new.lines.into_iter().enumerate() {
            let product = &products[&line.product_id];
            check_receivable(product, &format!("/lines/{i}/product_id"))?;
            let quantity = line.quantity.get();
            let pointer = format!("/lines/{i}/quantity");
            check_fineness(product, quantity, &pointer)?;
            let too_large = |source| Error::TooLarge { pointer: pointer.clone(), source };
            let value = levels
                .at(key(line.product_id))?
                .receive_at(quantity, line.unit_cost, &self.company)
                .map_err(too_large)?;
            total = total.checked_add(value).map_err(too_large)?;
            moves.push(NewMove {
                kind: MoveKind::Receipt,
                product_id: line.product_id,
                from: LocationKind::Adjustment,
                to: LocationKind::Warehouse,
                warehouse_id: Some(warehouse_id),
                quantity,
                unit_cost: Some(line.unit_cost),
                value,
                line_id: None,
                reverses_id: None,
                bins: std::mem::take(&mut bins[i]),
            });
        }
        let id = Uuid::now_v7();
        let reason = String::from(new.reason);
        let posting = Posting {
            source_type: MoveSourceType::StockReceipt,
            source_id: id,
            moved_on: received_on,
            reason: Some(reason.clone()),
            reason_code: None,
        };
        let moves = post(tx, &mut levels, posting, moves).await?;
        for posted in &moves {
            let adjusted = StockAdjusted {
                move_id: posted.id,
                product_id: posted.product_id,
                warehouse_id,
                adjusted_on: received_on,
                quantity: posted.quantity,
                value: posted.value,
                reason: reason.clone(),
                is_cost_of_sales: false,
            };
            let version = products[&posted.product_id].version;
            tx.publish(posted.product_id.uuid(), version, &adjusted)?;
        }
        fill_backorders(tx, &mut levels).await?;
        levels.store(tx).await?;
        Ok(StockReceipt { id, warehouse_id, received_on, value: total, moves })
    }
}

/// Of what is not sold any more nothing is received.
pub(crate) fn check_receivable(product: &product::Model, pointer: &str) -> Result<(), Error> {
    if product.is_active {
        return Ok(());
    }
    Err(Error::ProductInactive { pointer: pointer.into(), sku: product.sku.clone() })
}

/// Where the lines of a receipt say that goods are put, and of which lots they are.
async fn bins_of(
    tx: &mut Tx,
    new: &NewStockReceipt,
    products: &HashMap<ProductId, product::Model>,
) -> Result<Vec<Bins>> {
    let places: Vec<_> = new.lines.iter().map(|line| line.location_id).collect();
    find_locations(tx, new.warehouse_id, &places, ("location_id", true)).await?;
    let mut wanted = Vec::new();
    for (i, line) in new.lines.iter().enumerate().filter(|(_, line)| !line.lots.is_empty()) {
        let all = line.lots.iter().map(|lot| lot.quantity.get().micros());
        if all.fold(0_i64, i64::saturating_add) != line.quantity.get().micros() {
            return Err(Error::LotsDoNotAddUp { pointer: format!("/lines/{i}/lots") }.into());
        }
        let pointer = format!("/lines/{i}");
        wanted.push(Wanted { product: &products[&line.product_id], lots: &line.lots, pointer });
    }
    let mut parts = match wanted.is_empty() {
        true => Vec::new(),
        false => open_lots(tx, &wanted).await?,
    }
    .into_iter();
    let bins = new.lines.iter().map(|line| {
        let at = |part: Part| Part { location_id: line.location_id, ..part };
        let whole = Part { lot_id: None, location_id: None, quantity: line.quantity.get() };
        match line.lots.is_empty() {
            true if line.location_id.is_none() => Bins::Rule,
            true => Bins::Given(vec![at(whole)]),
            false => Bins::Given(parts.next().unwrap_or_default().into_iter().map(at).collect()),
        }
    });
    Ok(bins.collect())
}
