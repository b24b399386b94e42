//! Table `invoice_lines`.

use contracts::ids::{InvoiceId, InvoiceLineId, OrderLineId, ProductId};
use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invoice_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvoiceLineId,
    pub invoice_id: InvoiceId,
    pub position: i64,
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub discount: Percent,
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub credited_quantity: Quantity,
    pub credited_net_minor: i64,
    pub credited_tax_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
