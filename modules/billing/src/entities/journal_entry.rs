//! Table `journal_entries`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::JournalEntryId;
use kernel::money::Currency;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an entry came from. `source_id` is its id.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum SourceType {
    /// An invoice was issued.
    Invoice,
    /// A credit note was issued.
    CreditNote,
    /// Money came or went.
    Payment,
    /// A payment was taken back: a mistake, or it bounced.
    PaymentReversal,
    /// A customer's credit was paid back.
    Refund,
    /// A refund was taken back: it did not arrive, or was a mistake.
    RefundReversal,
    /// A supplier's bill was approved.
    Bill,
    /// A shipment left the stock.
    Shipment,
    /// A receipt came into the stock.
    Receipt,
    /// Returned goods came back into the stock.
    Return,
    /// The stock was corrected, by this stock move.
    StockMove,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JournalEntryId,
    pub number: String,
    pub entry_on: NaiveDate,
    // Of what it came from, where that day was closed.
    pub document_on: Option<NaiveDate>,
    pub source_type: SourceType,
    // The document or the event of another module it came from.
    pub source_id: Uuid,
    pub description: String,
    // Why it was posted through a soft lock.
    pub exception_reason: Option<String>,
    pub currency: Currency,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
