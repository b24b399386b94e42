//! Table `suppliers`.

use chrono::{DateTime, Utc};
use contracts::ids::SupplierId;
use kernel::money::Currency;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "suppliers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SupplierId,
    #[sea_orm(unique)]
    pub number: String,
    pub name: String,
    pub email: Option<String>,
    pub tax_id: Option<String>,
    pub currency: Currency,
    pub payment_terms_days: i64,
    /// JSON of an `Address`.
    pub address: String,
    #[sea_orm(unique)]
    pub external_id: Option<String>,
    pub is_active: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
