//! Table `locations`: places inside a warehouse.

use chrono::{DateTime, Utc};
use contracts::ids::{LocationId, WarehouseId};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "locations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LocationId,
    pub warehouse_id: WarehouseId,
    pub parent_id: Option<LocationId>,
    pub code: String,
    pub name: String,
    pub kind: PlaceKind,
    pub pick_order: i64,
    pub barcode: Option<String>,
    pub is_active: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What a place inside a warehouse is for
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum PlaceKind {
    /// Where goods lie
    Stock,
    /// Where they arrive, before they are put away
    Input,
    /// Where what is picked waits to be shipped
    Output,
    /// Where what must not leave is kept
    Quarantine,
    /// What is on its way between two places
    Transit,
    /// What is to be thrown away
    Scrap,
}

impl PlaceKind {
    /// Whether what lies there can be promised to nobody.
    pub fn is_blocked(self) -> bool {
        matches!(self, PlaceKind::Quarantine | PlaceKind::Transit | PlaceKind::Scrap)
    }
}
