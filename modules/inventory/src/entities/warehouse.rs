//! Table `warehouses`.

use chrono::{DateTime, Utc};
use contracts::ids::WarehouseId;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "warehouses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WarehouseId,
    #[sea_orm(unique)]
    pub code: String,
    pub name: String,
    pub is_active: bool,
    pub is_transit: bool,
    pub has_locations: bool,
    pub allows_negative: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
