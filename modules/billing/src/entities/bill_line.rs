//! Table `bill_lines`.

use contracts::ids::{BillId, BillLineId, ProductId, PurchaseOrderLineId};
use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "bill_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BillLineId,
    pub bill_id: BillId,
    pub position: i64,
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net_minor: i64,
    pub tax_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
