//! Table `purchase_orders`.

use contracts::ids::{PurchaseOrderId, SupplierId};
use kernel::money::Currency;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "purchase_orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PurchaseOrderId,
    pub number: String,
    pub supplier_id: SupplierId,
    pub supplier_name: String,
    pub payment_terms_days: i64,
    pub currency: Currency,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
