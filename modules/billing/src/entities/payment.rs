//! Table `payments`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CustomerId, PaymentId, SupplierId};
use kernel::money::Currency;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which way the money went.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Direction {
    /// From a customer to us.
    Incoming,
    /// From us to a supplier.
    Outgoing,
}

/// How the money went.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum PaymentMethod {
    BankTransfer,
    Card,
    Cash,
    Cheque,
    DirectDebit,
    Other,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "payments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentId,
    pub number: String,
    pub direction: Direction,
    pub customer_id: Option<CustomerId>,
    pub supplier_id: Option<SupplierId>,
    pub method: PaymentMethod,
    pub received_on: NaiveDate,
    pub external_key: Option<String>,
    pub currency: Currency,
    pub amount_minor: i64,
    pub applied_minor: i64,
    // Paid back to the customer.
    pub refunded_minor: i64,
    // The day it was taken back, if it was.
    pub reversed_on: Option<NaiveDate>,
    pub reversal_reason: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Model {
    /// What can still be used of it.
    pub fn left_minor(&self) -> i64 {
        match self.reversed_on {
            None => self.amount_minor - self.applied_minor - self.refunded_minor,
            Some(_) => 0,
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
