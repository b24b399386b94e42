//! Table `supplier_bank_accounts`.

use chrono::{DateTime, Utc};
use contracts::ids::SupplierId;
use kernel::Id;
use kernel::money::Currency;
use sea_orm::entity::prelude::*;

/// Marks the keys of suppliers' bank accounts, which no other module knows.
pub enum SupplierBankAccount {}
pub type SupplierBankAccountId = Id<SupplierBankAccount>;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "supplier_bank_accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SupplierBankAccountId,
    pub supplier_id: SupplierId,
    pub holder_name: String,
    pub iban: Option<String>,
    pub account_number: Option<String>,
    pub bank_code: Option<String>,
    pub bic: Option<String>,
    pub currency: Currency,
    pub is_default: bool,
    pub is_active: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
