//! Table `purchase_order_lines`.

use contracts::ids::{ProductId, PurchaseOrderId, PurchaseOrderLineId};
use kernel::money::UnitPrice;
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "purchase_order_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PurchaseOrderLineId,
    pub purchase_order_id: PurchaseOrderId,
    pub position: i64,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub ordered: Quantity,
    pub unit_price: UnitPrice,
    pub tax_class: String,
    pub received: Quantity,
    // On bills that are matched, approved or settled.
    pub billed: Quantity,
    pub overridden: Quantity,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
