//! Table `stock_count_lines`: what a stock count found.

use chrono::{DateTime, Utc};
use contracts::ids::{ProductId, StockCountId};
use kernel::money::UnitPrice;
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_count_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub count_id: StockCountId,
    pub product_id: ProductId,
    pub book: Option<Quantity>,
    pub counted: Option<Quantity>,
    pub counts: i64,
    pub unit_cost: Option<UnitPrice>,
    pub counted_at: Option<DateTime<Utc>>,
    pub counted_by: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
