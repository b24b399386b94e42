//! Table `lots`: lots, and single pieces with a serial number.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{LotId, ProductId};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "lots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LotId,
    pub product_id: ProductId,
    pub number: String,
    pub expires_on: Option<NaiveDate>,
    pub status: LotStatus,
    pub note: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Whether a lot can be promised and sold
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum LotStatus {
    /// It can
    Active,
    /// Not until it is released
    Quarantined,
    /// Never again; what was sold is asked back
    Recalled,
    /// Its date has passed
    Expired,
}
