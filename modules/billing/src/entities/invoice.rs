//! Table `invoices`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CustomerId, InvoiceId, OrderId, ShipmentId};
use kernel::money::{Currency, Rounding};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::entities::Mode;

/// Where an invoice stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// It has no number yet, and nobody owes it.
    Draft,
    /// The customer owes what is open.
    Issued,
    /// Nothing is open any more.
    Settled,
    /// It was never issued and is not to be, unless it is drafted anew.
    Discarded,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invoices")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvoiceId,
    pub status: InvoiceStatus,
    pub number: Option<String>,
    pub series: Option<String>,
    pub seq: Option<i64>,
    pub order_id: OrderId,
    pub order_number: String,
    pub shipment_id: ShipmentId,
    pub shipment_number: String,
    pub shipped_on: NaiveDate,
    pub customer_id: CustomerId,
    // The customer as of the shipment, as JSON.
    pub customer: String,
    pub payment_terms_days: i64,
    pub issued_on: Option<NaiveDate>,
    pub due_on: Option<NaiveDate>,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub rounding_mode: Mode,
    pub rounding: Rounding,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub applied_minor: i64,
    pub credited_minor: i64,
    // All its credit notes, what became credit of the customer included.
    pub credit_notes_minor: i64,
    pub prev_hash: Option<String>,
    pub hash: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
