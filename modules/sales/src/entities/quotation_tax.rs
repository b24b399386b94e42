//! Table `quotation_taxes`.

use contracts::ids::QuotationId;
use kernel::money::Percent;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quotation_taxes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub quotation_id: QuotationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tax_class: String,
    pub rate: Percent,
    pub base_minor: i64,
    pub tax_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
