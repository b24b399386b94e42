//! Table `cost_layers`: what a late cost adds to what a move was worth.

use chrono::NaiveDate;
use contracts::ids::{ProductId, StockMoveId, WarehouseId};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cost_layers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub landed_cost_id: Uuid,
    pub move_id: StockMoveId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub share_minor: i64,
    pub value_minor: i64,
    pub booked_on: NaiveDate,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
