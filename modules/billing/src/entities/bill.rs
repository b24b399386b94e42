//! Table `bills`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{BillId, PurchaseOrderId, SupplierId};
use kernel::money::Currency;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::entities::Mode;

/// Where a supplier's bill stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum BillStatus {
    /// It agrees with what was ordered and received.
    Matched,
    /// It does not; `exceptions` says why.
    Exception,
    /// We owe what is open.
    Approved,
    /// Nothing is open any more.
    Settled,
    /// We do not accept it.
    Rejected,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "bills")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BillId,
    pub number: String,
    pub status: BillStatus,
    pub supplier_id: SupplierId,
    pub supplier_name: String,
    pub supplier_invoice_number: String,
    pub purchase_order_id: PurchaseOrderId,
    pub purchase_order_number: String,
    pub billed_on: NaiveDate,
    pub due_on: NaiveDate,
    // Since it was approved.
    pub posted_on: Option<NaiveDate>,
    pub currency: Currency,
    pub rounding_mode: Mode,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub applied_minor: i64,
    // Why it does not match, as JSON.
    pub exceptions: String,
    pub override_reason: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
