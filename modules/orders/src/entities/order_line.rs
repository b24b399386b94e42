//! Table `order_lines`.

use chrono::NaiveDate;
use contracts::ids::{OrderId, OrderLineId, ProductId};
use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "order_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderLineId,
    pub order_id: OrderId,
    /// Counts from 1 within the order.
    pub position: i64,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub unit_decimals: i64,
    pub unit_price: UnitPrice,
    pub discount: Percent,
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub ordered: Quantity,
    pub reserved: Quantity,
    pub backordered: Quantity,
    pub picked: Quantity,
    pub shipped: Quantity,
    pub cancelled: Quantity,
    pub invoiced: Quantity,
    pub returned: Quantity,
    pub credited: Quantity,
    /// When what is backordered was promised; of what does not wait, none.
    pub promised_on: Option<NaiveDate>,
    /// Computed by the database: what is ordered and in none of the other places.
    pub unallocated: Quantity,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
