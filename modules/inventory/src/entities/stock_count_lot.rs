//! Table `stock_count_lots`: what a line of a stock count found of each lot.

use contracts::ids::{LotId, ProductId};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_count_lots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub line_id: Uuid,
    pub product_id: ProductId,
    /// None: of no known lot.
    pub lot_id: Option<LotId>,
    pub book: Quantity,
    pub counted: Quantity,
    pub is_serial: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
