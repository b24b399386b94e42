//! Table `backorders`: what order lines wait for.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{BackorderId, OrderId, OrderLineId, ProductId, WarehouseId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "backorders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BackorderId,
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub quantity: Quantity,
    pub remaining: Quantity,
    pub status: BackorderStatus,
    pub expires_at: Option<DateTime<Utc>>,
    pub kit_line_id: Option<OrderLineId>,
    pub kit_id: Option<ProductId>,
    /// The first hold its line had, if this is not the first: how long it waits.
    pub first_id: Option<Uuid>,
    /// The day by which it is promised, if one is known.
    pub promised_on: Option<NaiveDate>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a backorder stands
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum BackorderStatus {
    /// It waits for stock
    Open,
    /// All of it was reserved
    Filled,
    /// Nobody wants it any more
    Cancelled,
}
