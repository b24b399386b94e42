//! Table `stock_moves`: the ledger of goods.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{ProductId, StockMoveId, WarehouseId};
use kernel::money::{Currency, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_moves")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StockMoveId,
    pub kind: MoveKind,
    pub product_id: ProductId,
    pub from_location: LocationKind,
    pub to_location: LocationKind,
    pub warehouse_id: Option<WarehouseId>,
    pub quantity: Quantity,
    pub unit_cost: Option<UnitPrice>,
    pub value_minor: i64,
    pub currency: Currency,
    pub moved_on: NaiveDate,
    pub source_type: MoveSourceType,
    pub source_id: Uuid,
    pub source_line_id: Uuid,
    pub reason: Option<String>,
    pub reason_code: Option<String>,
    pub reverses_id: Option<StockMoveId>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Why goods moved
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum MoveKind {
    /// They came in
    Receipt,
    /// They were shipped to a customer
    Issue,
    /// A customer sent them back and they are on the shelf again
    Return,
    /// A customer sent them back unfit for sale
    Scrap,
    /// A correction after counting
    Adjustment,
}

/// A kind of place
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum LocationKind {
    /// One of ours
    Warehouse,
    /// Where purchases come from
    Supplier,
    /// Where sales go
    Customer,
    /// The other end of a correction
    Adjustment,
    /// What is unfit for sale
    Scrap,
}

/// The document a move was posted for
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum MoveSourceType {
    /// A receipt of a purchase order
    PurchaseReceipt,
    /// A shipment of an order
    Shipment,
    /// A return of an order
    Return,
    /// Stock that came without a purchase order
    StockReceipt,
    /// A correction after counting
    Adjustment,
    /// Another move, taken back
    Reversal,
    /// What a stock count found
    StockCount,
    /// A transfer between two warehouses
    Transfer,
}
