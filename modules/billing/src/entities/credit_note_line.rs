//! Table `credit_note_lines`.

use contracts::ids::{CreditNoteId, InvoiceLineId};
use kernel::Id;
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;

/// Marks the keys of credit note lines, which no other module knows.
pub enum CreditNoteLine {}
pub type CreditNoteLineId = Id<CreditNoteLine>;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_note_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CreditNoteLineId,
    pub credit_note_id: CreditNoteId,
    pub position: i64,
    pub invoice_line_id: InvoiceLineId,
    pub quantity: Quantity,
    pub net_minor: i64,
    pub tax_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
