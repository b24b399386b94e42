//! Table `billed_lines`.

use contracts::ids::{BillId, PurchaseOrderLineId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "billed_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bill_id: BillId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub quantity: Quantity,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
