//! Table `orders`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CustomerId, OrderId, QuotationId, WarehouseId};
use kernel::money::Currency;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    #[sea_orm(unique)]
    pub number: String,
    pub status: OrderStatus,
    pub fulfilment_status: FulfilmentStatus,
    pub billing_status: BillingStatus,
    pub payment_status: PaymentStatus,
    #[sea_orm(unique)]
    pub quotation_id: Option<QuotationId>,
    pub customer_id: CustomerId,
    /// JSON of `contracts::sales::CustomerInfo`, with the order's own shipping address.
    pub customer: String,
    pub warehouse_id: WarehouseId,
    pub customer_reference: Option<String>,
    pub ordered_on: NaiveDate,
    pub allow_backorder: bool,
    pub prices_include_tax: bool,
    pub currency: Currency,
    pub rounding_mode: String,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub invoiced_minor: i64,
    pub credited_minor: i64,
    pub paid_minor: i64,
    pub refunded_minor: i64,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The version of the draft that credit and stock were last asked for.
    pub held_version: Option<i64>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where an order is in its life.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum OrderStatus {
    /// May still be changed; holds neither stock nor credit.
    Draft,
    /// Agreed; its stock is reserved and its credit taken.
    Confirmed,
    /// Everything has been shipped or cancelled.
    Completed,
    /// Off, with nothing shipped.
    Cancelled,
}

/// How much of what is wanted has been shipped.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum FulfilmentStatus {
    None,
    Partial,
    Fulfilled,
}

/// How much of what is wanted has been invoiced.
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

/// How much of what was invoiced, net of credit notes, has been paid and not refunded.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum PaymentStatus {
    Unpaid,
    Partial,
    Paid,
    Overpaid,
}
