//! Table `stock_levels`: what one warehouse has of one product.

use contracts::ids::{ProductId, WarehouseId};
use kernel::money::UnitPrice;
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

use crate::entities::product::Costing;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_levels")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: ProductId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub warehouse_id: WarehouseId,
    pub id: Uuid,
    pub on_hand: Quantity,
    pub reserved: Quantity,
    pub backordered: Quantity,
    pub value_minor: i64,
    pub reorder_point: Option<Quantity>,
    pub is_detailed: bool,
    pub blocked: Quantity,
    pub costing: Costing,
    pub standard_cost: Option<UnitPrice>,
    pub allows_negative: bool,
    pub owed: Quantity,
    pub owed_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
