//! Stock moves: posting them, and reading the ledger.

use chrono::NaiveDate;
use contracts::ids::{ProductId, StockMoveId, WarehouseId};
use kernel::db::{Tx, insert_all};
use kernel::money::{Money, UnitPrice};
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::entities::stock_move::{self, LocationKind, MoveKind, MoveSourceType};
use crate::routes::moves::{ListStockMoves, Location, MoveSource, StockMove};
use crate::service::Service;
use crate::service::bins::{Bins, settle};
use crate::service::levels::Levels;
use crate::service::stock_periods::OrClosed;

/// What all moves of one posting have in common.
pub(crate) struct Posting {
    pub source_type: MoveSourceType,
    pub source_id: Uuid,
    pub moved_on: NaiveDate,
    pub reason: Option<String>,
    pub reason_code: Option<String>,
}

/// One move of a posting.
pub(crate) struct NewMove {
    pub kind: MoveKind,
    pub product_id: ProductId,
    pub from: LocationKind,
    pub to: LocationKind,
    /// Which warehouse, if one of the two is one.
    pub warehouse_id: Option<WarehouseId>,
    pub quantity: Quantity,
    pub unit_cost: Option<UnitPrice>,
    pub value: Money,
    /// Line of the source; none where the source has no lines of its own.
    pub line_id: Option<Uuid>,
    pub reverses_id: Option<StockMoveId>,
    /// Where in the warehouse, and of which lots.
    pub bins: Bins,
}

/// Writes the moves of a posting and what they do to bins, and notes the posting for the audit
/// log: once, because the moves themselves are a record that never changes.
pub(crate) async fn post(
    tx: &mut Tx,
    levels: &mut Levels,
    posting: Posting,
    moves: Vec<NewMove>,
) -> Result<Vec<StockMove>> {
    let mut bins = Vec::with_capacity(moves.len());
    let rows: Vec<_> = moves
        .into_iter()
        .map(|new| {
            let id = StockMoveId::new();
            bins.push(new.bins);
            stock_move::Model {
                id,
                kind: new.kind,
                product_id: new.product_id,
                from_location: new.from,
                to_location: new.to,
                warehouse_id: new.warehouse_id,
                quantity: new.quantity,
                unit_cost: new.unit_cost,
                value_minor: new.value.minor(),
                currency: new.value.currency(),
                moved_on: posting.moved_on,
                source_type: posting.source_type,
                source_id: posting.source_id,
                source_line_id: new.line_id.unwrap_or_else(|| id.uuid()),
                reason: posting.reason.clone(),
                reason_code: posting.reason_code.clone(),
                reverses_id: new.reverses_id,
                created_at: tx.now(),
            }
        })
        .collect();
    let active = rows.iter().cloned().map(IntoActiveModel::into_active_model);
    insert_all(&**tx, active).await.or_closed()?;
    levels.note_moves(&rows);
    settle(tx, levels, &rows, &bins).await?;
    let posted: Vec<_> = rows.into_iter().map(StockMove::from).collect();
    tx.audit_new("stock_posting", posting.source_id, &posted)?;
    Ok(posted)
}

impl Service {
    pub(crate) async fn list_stock_moves(
        &self,
        ctx: &Ctx,
        query: ListStockMoves,
    ) -> Result<Page<stock_move::Model>> {
        use stock_move::Column;
        let mut select = stock_move::Entity::find();
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        if let Some(kind) = query.kind {
            select = select.filter(Column::Kind.eq(kind));
        }
        if let Some(source_id) = query.source_id {
            select = select.filter(Column::SourceId.eq(source_id));
        }
        select = ctx.scope.filter(select, Column::WarehouseId);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &stock_move::Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "stock_moves", &request).await
    }

    pub(crate) async fn stock_move(&self, id: StockMoveId) -> Result<stock_move::Model> {
        let found = stock_move::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("stock move", id))
    }
}

impl From<stock_move::Model> for StockMove {
    fn from(model: stock_move::Model) -> Self {
        let location = |kind| Location {
            kind,
            warehouse_id: model.warehouse_id.filter(|_| kind == LocationKind::Warehouse),
        };
        StockMove {
            id: model.id,
            kind: model.kind,
            product_id: model.product_id,
            from_location: location(model.from_location),
            to_location: location(model.to_location),
            quantity: model.quantity,
            unit_cost: model.unit_cost,
            value: Money::new(model.value_minor, model.currency),
            moved_on: model.moved_on,
            source: MoveSource { kind: model.source_type, id: model.source_id },
            reason: model.reason,
            reason_code: model.reason_code,
            reverses_id: model.reverses_id,
            created_at: model.created_at,
        }
    }
}
