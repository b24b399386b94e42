//! Table `purchase_orders`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{PurchaseOrderId, SupplierId, WarehouseId};
use kernel::money::Currency;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "purchase_orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PurchaseOrderId,
    #[sea_orm(unique)]
    pub number: String,
    pub status: PurchaseOrderStatus,
    pub receipt_status: ReceiptStatus,
    pub billing_status: BillingStatus,
    pub supplier_id: SupplierId,
    pub supplier_name: String,
    pub payment_terms_days: i64,
    pub warehouse_id: WarehouseId,
    pub ordered_on: NaiveDate,
    pub expected_on: Option<NaiveDate>,
    pub currency: Currency,
    pub rounding_mode: String,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub approved_at: Option<DateTime<Utc>>,
    pub sent_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub cancelled_at: Option<DateTime<Utc>>,
    pub is_closed_short: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a purchase order is in its life.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum PurchaseOrderStatus {
    /// May still be changed.
    Draft,
    /// Agreed among ourselves.
    Approved,
    /// The supplier has it; goods are received against it.
    Sent,
    /// Everything has arrived, not everything has been billed.
    Received,
    /// Nothing more is expected.
    Closed,
    /// Off, with nothing received.
    Cancelled,
}

/// How much of what is wanted has been received.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ReceiptStatus {
    None,
    Partial,
    Full,
}

/// How much of what is wanted has been received and billed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum BillingStatus {
    None,
    Partial,
    Billed,
}
