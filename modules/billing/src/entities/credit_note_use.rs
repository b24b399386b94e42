//! Table `credit_note_uses`: what was used of the credit a note left.

use contracts::ids::CreditNoteId;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_note_uses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub credit_note_id: CreditNoteId,
    pub credit_minor: i64,
    pub applied_minor: i64,
    pub refunded_minor: i64,
}

impl Model {
    /// What can still be used.
    pub fn left_minor(&self) -> i64 {
        self.credit_minor - self.applied_minor - self.refunded_minor
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
