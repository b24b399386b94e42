//! Table `relocations`: goods moved within a warehouse.

use chrono::{DateTime, Utc};
use contracts::ids::{RelocationId, WarehouseId};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "relocations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RelocationId,
    pub warehouse_id: WarehouseId,
    pub reason: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
