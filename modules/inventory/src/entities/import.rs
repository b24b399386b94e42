//! Table `imports`: files that came in, and how far the work on them is.

use chrono::{DateTime, Utc};
use contracts::ids::{ImportId, StockCountId};
use kernel::table::Format;
use kernel::{Machine, Transition};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "imports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ImportId,
    pub resource: FileResource,
    pub format: Format,
    pub policy: ImportPolicy,
    pub is_dry_run: bool,
    pub stock_count_id: Option<StockCountId>,
    pub reason: String,
    pub status: FileStatus,
    pub bytes: i64,
    pub last_row: i64,
    pub rows_read: i64,
    pub rows_created: i64,
    pub rows_updated: i64,
    pub rows_unchanged: i64,
    pub rows_failed: i64,
    pub actor: String,
    pub request_id: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What a file has rows of
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum FileResource {
    /// Products
    Products,
    /// What there is of them: an import takes it in, an export says what is on hand
    Stock,
    /// What was counted, of one stock count
    Counts,
}

/// What becomes of a file some rows of which are wrong
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ImportPolicy {
    /// Nothing: all rows are applied together, or none
    #[default]
    Atomic,
    /// The others are applied, and the file is gone through to its end
    SkipFailed,
}

/// Where an import or an export stands
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum FileStatus {
    /// It waits for its turn
    Queued,
    /// It is being worked on
    Running,
    /// It went to its end
    Succeeded,
    /// Something was wrong, and nothing more comes of it
    Failed,
    /// Somebody stopped it
    Cancelled,
}

/// What people can do about an import.
pub(crate) const MACHINE: Machine<FileStatus> = Machine {
    resource: "import",
    transitions: &[Transition {
        action: "cancel",
        from: &[FileStatus::Queued, FileStatus::Running],
        to: FileStatus::Cancelled,
    }],
};
