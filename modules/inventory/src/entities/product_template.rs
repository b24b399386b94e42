//! Table `product_templates`: what variants have in common.

use chrono::{DateTime, Utc};
use contracts::ids::ProductTemplateId;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "product_templates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductTemplateId,
    #[sea_orm(unique)]
    pub code: String,
    pub name: String,
    pub attributes: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
