//! Table `goods_received`.

use contracts::ids::PurchaseOrderLineId;
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "goods_received")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub quantity: Quantity,
    pub value_minor: i64,
    // On approved bills.
    pub billed: Quantity,
    pub relieved_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
