//! Table `return_lines`.

use contracts::ids::{OrderLineId, ReturnId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "return_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub return_id: ReturnId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_line_id: OrderLineId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub restock: bool,
    pub quantity: Quantity,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
