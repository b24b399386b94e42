//! Table `reorder_rules`: when and how much to buy again.

use chrono::{DateTime, Utc};
use contracts::ids::{ProductId, ReorderRuleId, WarehouseId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reorder_rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReorderRuleId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub min_quantity: Quantity,
    pub target_quantity: Quantity,
    pub max_quantity: Quantity,
    pub multiple: Quantity,
    pub minimum_order: Quantity,
    pub lead_time_days: i64,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
