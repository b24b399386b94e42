//! Table `journal_lines`.

use contracts::ids::JournalEntryId;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_lines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry_id: JournalEntryId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub account: String,
    pub debit_minor: i64,
    pub credit_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
