//! Table `purchase_order_lines`.

use contracts::ids::{ProductId, PurchaseOrderId, PurchaseOrderLineId};
use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "purchase_order_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PurchaseOrderLineId,
    pub purchase_order_id: PurchaseOrderId,
    /// Counts from 1 within the order.
    pub position: i64,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub unit_decimals: i64,
    pub unit_price: UnitPrice,
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub ordered: Quantity,
    pub received: Quantity,
    pub short_closed: Quantity,
    /// On approved bills; may be ahead of what was received.
    pub on_bills: Quantity,
    /// Computed by the database: ordered, neither received nor short-closed.
    pub open: Quantity,
    /// Computed by the database: received and on an approved bill.
    pub billed: Quantity,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
