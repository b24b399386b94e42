//! Table `credit_allocations`.

use chrono::{DateTime, Utc};
use contracts::ids::{CreditNoteId, InvoiceId};
use kernel::Id;
use sea_orm::entity::prelude::*;

/// Marks the keys of allocations of credit, which no other module knows.
pub enum CreditAllocation {}
pub type CreditAllocationId = Id<CreditAllocation>;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_allocations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CreditAllocationId,
    pub credit_note_id: CreditNoteId,
    pub invoice_id: InvoiceId,
    pub amount_minor: i64,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
