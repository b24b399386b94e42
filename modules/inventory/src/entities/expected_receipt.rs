//! Table `expected_receipts`: what is on its way.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{ProductId, PurchaseOrderLineId, WarehouseId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "expected_receipts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PurchaseOrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub quantity: Quantity,
    pub received: Quantity,
    pub expected_on: NaiveDate,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
