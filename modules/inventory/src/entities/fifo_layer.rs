//! Table `fifo_layers`: what came together at one cost, and what is left of it.

use chrono::{DateTime, Utc};
use contracts::ids::{ProductId, StockMoveId, WarehouseId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "fifo_layers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub move_id: Option<StockMoveId>,
    pub quantity: Quantity,
    pub remaining: Quantity,
    pub value_minor: i64,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
