//! Table `quotation_lines`.

use contracts::ids::{ProductId, QuotationId, QuotationLineId};
use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quotation_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: QuotationLineId,
    pub quotation_id: QuotationId,
    pub position: i64,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub price_list: Option<String>,
    pub discount: Percent,
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
