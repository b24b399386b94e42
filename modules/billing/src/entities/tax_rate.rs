//! Table `tax_rates`.

use chrono::{DateTime, Utc};
use kernel::Id;
use kernel::money::Percent;
use sea_orm::entity::prelude::*;

/// Marks the keys of tax rates, which no other module knows.
pub enum TaxRate {}
pub type TaxRateId = Id<TaxRate>;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tax_rates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TaxRateId,
    pub code: String,
    pub name: String,
    pub rate: Percent,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
