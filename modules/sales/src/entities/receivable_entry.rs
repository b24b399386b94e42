//! Table `receivable_entries`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::CustomerId;
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// What made the customer owe more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    Invoice,
    CreditNote,
    Payment,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "receivable_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_event_id: Uuid,
    pub customer_id: CustomerId,
    pub kind: Kind,
    pub document_id: Uuid,
    /// Negative where the customer owes less.
    pub amount_minor: i64,
    pub occurred_on: NaiveDate,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
