//! Table `products`.

use chrono::{DateTime, Utc};
use contracts::ids::{CategoryId, ProductId, ProductTemplateId};
use kernel::money::UnitPrice;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    pub tracking: Tracking,
    pub picking: Picking,
    pub costing: Costing,
    pub standard_cost: Option<UnitPrice>,
    pub is_kit: bool,
    pub negative_stock: NegativeStock,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Whether it is known which piece or which lot is where
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Tracking {
    /// It is not
    #[default]
    None,
    /// By lot, such as a batch or a date
    Lot,
    /// By piece, each with a serial number
    Serial,
}

/// What leaves first
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Picking {
    /// What expires first; of what does not expire, what came first
    #[default]
    Fefo,
    /// What came first
    Fifo,
}

/// How what is on hand is valued
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Costing {
    /// At the weighted average of what came
    #[default]
    Average,
    /// What came first leaves first, at what it cost
    Fifo,
    /// At a cost the company sets; what differs from it is an expense at once
    Standard,
}

/// Whether there can be less than nothing of it
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum NegativeStock {
    /// There cannot
    #[default]
    Never,
    /// Where the warehouse allows it
    Inherit,
}
