//! Table `bins`: what of a level lies where, and of which lot it is.

use contracts::ids::{LocationId, LotId, ProductId, WarehouseId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "bins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub location_id: Option<LocationId>,
    pub lot_id: Option<LotId>,
    pub quantity: Quantity,
    pub allocated: Quantity,
    pub is_serial: bool,
    pub is_blocked: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
