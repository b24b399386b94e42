//! Table `returns`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{OrderId, ReturnId};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "returns")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReturnId,
    #[sea_orm(unique)]
    pub number: String,
    pub order_id: OrderId,
    pub reason: String,
    pub received_on: NaiveDate,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
