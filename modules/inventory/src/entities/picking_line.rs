//! Table `picking_lines`: the lines of picking lists.

use contracts::ids::{
    LocationId, LotId, OrderId, OrderLineId, PickingListId, ProductId, WarehouseId,
};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "picking_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub picking_list_id: PickingListId,
    pub position: i64,
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub location_id: Option<LocationId>,
    pub lot_id: Option<LotId>,
    pub bin_id: Option<Uuid>,
    pub quantity: Quantity,
    pub picked: Option<Quantity>,
    pub allocated: Quantity,
    pub kit_line_id: Option<OrderLineId>,
    pub kit_id: Option<ProductId>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
