//! Table `refunds`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CreditNoteId, CustomerId, PaymentId, RefundId};
use kernel::money::Currency;
use sea_orm::entity::prelude::*;

use crate::entities::payment::PaymentMethod;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refunds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RefundId,
    pub number: String,
    pub customer_id: CustomerId,
    // What it was paid back of: one of the two.
    pub payment_id: Option<PaymentId>,
    pub credit_note_id: Option<CreditNoteId>,
    pub method: PaymentMethod,
    pub refunded_on: NaiveDate,
    pub external_key: Option<String>,
    pub reason: String,
    pub currency: Currency,
    pub amount_minor: i64,
    pub created_at: DateTime<Utc>,
    // The day it was taken back, and why.
    pub reversed_on: Option<NaiveDate>,
    pub reversal_reason: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
