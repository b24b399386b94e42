//! Table `payment_allocations`.

use chrono::{DateTime, Utc};
use contracts::ids::{BillId, InvoiceId, PaymentId};
use kernel::Id;
use sea_orm::entity::prelude::*;

/// Marks the keys of allocations, which no other module knows.
pub enum Allocation {}
pub type AllocationId = Id<Allocation>;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_allocations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AllocationId,
    pub payment_id: PaymentId,
    pub invoice_id: Option<InvoiceId>,
    pub bill_id: Option<BillId>,
    pub amount_minor: i64,
    // The allocation that this one takes back, and why.
    pub reverses_id: Option<AllocationId>,
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
