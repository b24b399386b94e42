//! Table `credit_notes`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CreditNoteId, CustomerId, InvoiceId, OrderId};
use kernel::money::Currency;
use sea_orm::entity::prelude::*;

use crate::entities::Mode;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_notes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CreditNoteId,
    pub number: String,
    pub series: String,
    pub seq: i64,
    pub invoice_id: InvoiceId,
    pub invoice_number: String,
    pub order_id: OrderId,
    pub order_number: String,
    pub customer_id: CustomerId,
    pub customer: String,
    pub issued_on: NaiveDate,
    pub reason: String,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub rounding_mode: Mode,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    // What it took off the open amount of its invoice.
    pub applied_minor: i64,
    pub prev_hash: String,
    pub hash: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
