//! Table `quotations`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CustomerId, OrderId, QuotationId, WarehouseId};
use kernel::money::Currency;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a quotation stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[schema(as = QuotationStatus)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Status {
    /// Can still be changed.
    Draft,
    /// With the customer.
    Sent,
    /// The customer said yes; a draft order follows.
    Accepted,
    /// The customer said no.
    Rejected,
    /// The customer did not answer in time.
    Expired,
    /// We took it back.
    Cancelled,
    /// It has become an order.
    Converted,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quotations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: QuotationId,
    #[sea_orm(unique)]
    pub number: String,
    pub status: Status,
    pub customer_id: CustomerId,
    /// JSON of a `CustomerInfo`.
    pub customer: String,
    pub warehouse_id: WarehouseId,
    pub quoted_on: NaiveDate,
    pub valid_until: NaiveDate,
    pub currency: Currency,
    pub prices_include_tax: bool,
    /// As in JSON.
    pub rounding_mode: String,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub order_id: Option<OrderId>,
    pub order_number: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
