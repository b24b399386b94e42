//! Table `picking_lists`: what is to be taken from where.

use chrono::{DateTime, Utc};
use contracts::ids::{PickingListId, WarehouseId};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "picking_lists")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PickingListId,
    pub warehouse_id: WarehouseId,
    pub status: PickingStatus,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a picking list stands
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum PickingStatus {
    /// There is something to pick
    Open,
    /// Everything is picked, or not there
    Picked,
    /// It is given up
    Cancelled,
}
