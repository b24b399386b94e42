//! Table `receipts`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{PurchaseOrderId, ReceiptId};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "receipts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReceiptId,
    #[sea_orm(unique)]
    pub number: String,
    pub purchase_order_id: PurchaseOrderId,
    pub received_on: NaiveDate,
    pub delivery_note: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
