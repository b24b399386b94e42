//! Table `products`.

use chrono::{DateTime, Utc};
use contracts::ids::{CategoryId, ProductId, ProductTemplateId};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "products")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    #[sea_orm(unique)]
    pub sku: String,
    pub name: String,
    pub description: Option<String>,
    pub barcode: Option<String>,
    pub unit: String,
    pub unit_decimals: i64,
    pub tax_class: String,
    pub is_active: bool,
    pub category_id: Option<CategoryId>,
    pub external_id: Option<String>,
    pub template_id: Option<ProductTemplateId>,
    pub options: Option<String>,
    pub weight_g: Option<i64>,
    pub length_mm: Option<i64>,
    pub width_mm: Option<i64>,
    pub height_mm: Option<i64>,
    pub is_indexed: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
