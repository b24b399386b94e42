//! Table `kit_parts`: what order lines for kits were made into.

use contracts::ids::{OrderLineId, ProductId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "kit_parts")]
pub struct Model {
    /// The line under which the part is held and moved.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderLineId,
    pub order_line_id: OrderLineId,
    pub kit_id: ProductId,
    pub product_id: ProductId,
    pub per_kit: Quantity,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
