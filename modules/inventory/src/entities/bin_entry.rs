//! Table `bin_entries`: the ledger of bins.

use chrono::{DateTime, Utc};
use contracts::ids::{LocationId, LotId, ProductId, RelocationId, StockMoveId, WarehouseId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "bin_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub move_id: Option<StockMoveId>,
    pub relocation_id: Option<RelocationId>,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub location_id: Option<LocationId>,
    pub lot_id: Option<LotId>,
    pub quantity: Quantity,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
