//! Taking back a receipt or an adjustment that should not have been.

use contracts::ids::{LotId, StockMoveId, WarehouseId};
use kernel::db::{Tx, query_all};
use kernel::http::Reply;
use kernel::money::Money;
use kernel::quantity::Quantity;
use kernel::text::Note;
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use crate::entities::stock_move::{self, LocationKind, MoveSourceType};
use crate::error::Error;
use crate::routes::moves::{ReverseStockMove, StockMove};
use crate::service::Service;
use crate::service::adjustment_requests::{check_limit, find_reason, limit_of};
use crate::service::adjustments::{magnitude, not_available, publish_adjusted};
use crate::service::backorders::fill_backorders;
use crate::service::bins::{Bins, Part};
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::references::{check_scope, find_product};

impl Service {
    /// Posts the mirror of a move: the same goods and the same value, the other way.
    pub(crate) async fn reverse_move(
        &self,
        ctx: &Ctx,
        id: StockMoveId,
        request: ReverseStockMove,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let posted = self.post_reversal(&mut tx, id, request.reason, false).await?;
        let location = format!("/api/v1/inventory/moves/{}", posted.id);
        tx.reply(Reply::created_plain(&posted, location)).await
    }

    /// Posts a reversal; one above the limit of what it takes back only if it `is_approved`, or
    /// it would be a way around the approval of a correction.
    pub(crate) async fn post_reversal(
        &self,
        tx: &mut Tx,
        id: StockMoveId,
        reason: Note,
        is_approved: bool,
    ) -> Result<StockMove> {
        let (original, warehouse_id) = find_reversible(tx, id).await?;
        let limit = match is_approved {
            true => None,
            false => {
                let reason = find_reason(tx, original.reason_code.as_deref()).await?;
                limit_of(tx, reason.as_ref()).await?
            }
        };
        let key = Key { product_id: original.product_id, warehouse_id };
        let mut levels = Levels::lock_to_issue(tx, &[key].into()).await?;
        check_not_reversed(tx, id).await?;
        let product = find_product(tx, original.product_id).await?;
        let value = Money::new(original.value_minor, original.currency);
        let level = levels.at(key)?;
        let comes_in = original.from_location == LocationKind::Warehouse;
        if comes_in {
            let too_large = |source| Error::TooLarge { pointer: String::new(), source };
            level.receive(original.quantity, value, &self.company).map_err(too_large)?;
        } else if level.unreserved() < original.quantity {
            return Err(not_available(&product, warehouse_id, original.quantity, level).into());
        } else if has_late_costs(tx, &original).await? {
            // They would stay with other goods, and the two would not come to nothing (I-9).
            return Err(Error::ValueMoved.into());
        } else {
            level
                .take_back(id, original.quantity, value, &self.company)
                .map_err(|_| Error::ValueMoved)?;
        }
        check_limit(value, limit)?;
        let bins = match levels.is_detailed(key) {
            true => Bins::Given(parts_of(tx, id).await?),
            false => Bins::Rule,
        };
        let posting = Posting {
            source_type: MoveSourceType::Reversal,
            source_id: Uuid::now_v7(),
            moved_on: tx.now().date_naive(),
            reason: Some(reason.into_string()),
            reason_code: None,
        };
        let mirror = NewMove {
            kind: original.kind,
            product_id: original.product_id,
            from: original.to_location,
            to: original.from_location,
            warehouse_id: Some(warehouse_id),
            quantity: original.quantity,
            unit_cost: original.unit_cost,
            value,
            line_id: None,
            reverses_id: Some(id),
            bins,
        };
        let posted = post(tx, &mut levels, posting, vec![mirror]).await?.remove(0);
        publish_adjusted(tx, &posted, &product, warehouse_id, comes_in)?;
        fill_backorders(tx, &mut levels).await?;
        levels.store(tx).await?;
        Ok(posted)
    }
}

/// A move that was posted here, and for no other document; and its warehouse.
pub(crate) async fn find_reversible(
    tx: &Tx,
    id: StockMoveId,
) -> Result<(stock_move::Model, WarehouseId)> {
    let found = stock_move::Entity::find_by_id(id).one(&**tx).await?;
    let original = found.ok_or_else(|| kernel::Error::not_found("stock move", id))?;
    check_scope(tx.ctx(), original.warehouse_id, "stock move", id)?;
    let is_ours =
        matches!(original.source_type, MoveSourceType::StockReceipt | MoveSourceType::Adjustment);
    match original.warehouse_id {
        Some(warehouse_id) if is_ours => Ok((original, warehouse_id)),
        _ => Err(Error::NotReversible.into()),
    }
}

/// Refuses what has been taken back.
pub(crate) async fn check_not_reversed(tx: &Tx, id: StockMoveId) -> Result<()> {
    let reversal = stock_move::Entity::find().filter(stock_move::Column::ReversesId.eq(id));
    match reversal.one(&**tx).await? {
        Some(by) => Err(Error::AlreadyReversed { by: by.id }.into()),
        None => Ok(()),
    }
}

/// Whether a cost was added to what a move brought.
async fn has_late_costs(tx: &Tx, of: &stock_move::Model) -> Result<bool> {
    #[derive(FromQueryResult)]
    struct Row {
        #[allow(dead_code, reason = "only looked for")]
        id: Uuid,
    }
    let sql = "SELECT id FROM cost_layers WHERE product_id = $1 AND move_id = $2 LIMIT 1";
    let found: Vec<Row> = query_all(&**tx, sql, vec![of.product_id.into(), of.id.into()]).await?;
    Ok(!found.is_empty())
}

/// The lots a move brought or took. Those that came are taken out wherever they lie now.
async fn parts_of(tx: &Tx, id: StockMoveId) -> Result<Vec<Part>> {
    #[derive(FromQueryResult)]
    struct Row {
        lot_id: Option<LotId>,
        quantity: Quantity,
    }
    let sql = "SELECT lot_id, CAST(SUM(quantity) AS BIGINT) AS quantity FROM bin_entries \
               WHERE move_id = $1 GROUP BY lot_id HAVING SUM(quantity) <> 0 ORDER BY lot_id";
    let rows: Vec<Row> = query_all(&**tx, sql, vec![id.into()]).await?;
    rows.into_iter()
        .map(|row| {
            let quantity = magnitude(row.quantity)?;
            Ok(Part { lot_id: row.lot_id, location_id: None, quantity })
        })
        .collect()
}
