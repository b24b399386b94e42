//! Table `prices`.

use contracts::ids::{PriceListId, ProductId};
use kernel::Id;
use kernel::money::UnitPrice;
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

/// Marks the key lists page by; the price itself is known by list, product and quantity.
pub enum Price {}
pub type PriceId = Id<Price>;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "prices")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PriceId,
    pub price_list_id: PriceListId,
    pub product_id: ProductId,
    pub min_quantity: Quantity,
    pub unit_price: UnitPrice,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
