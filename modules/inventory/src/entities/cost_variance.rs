//! Table `cost_variances`: what goods at a standard cost came to cost more or less.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{ProductId, WarehouseId};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cost_variances")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub value_minor: i64,
    pub reason: String,
    pub booked_on: NaiveDate,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
