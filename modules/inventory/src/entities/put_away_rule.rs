//! Table `put_away_rules`: where what has come is put.

use chrono::{DateTime, Utc};
use contracts::ids::{CategoryId, LocationId, ProductId, PutAwayRuleId, WarehouseId};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "put_away_rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PutAwayRuleId,
    pub warehouse_id: WarehouseId,
    pub product_id: Option<ProductId>,
    pub category_id: Option<CategoryId>,
    pub location_id: LocationId,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
