//! Table `exports`: files that are made to be fetched.

use chrono::{DateTime, Utc};
use contracts::ids::{ExportId, StockCountId, WarehouseId};
use kernel::table::Format;
use kernel::{Machine, Transition};
use sea_orm::entity::prelude::*;

use crate::entities::import::{FileResource, FileStatus};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "exports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExportId,
    pub resource: FileResource,
    pub format: Format,
    pub warehouse_id: Option<WarehouseId>,
    pub stock_count_id: Option<StockCountId>,
    pub status: FileStatus,
    pub list_cursor: Option<String>,
    pub pieces: i64,
    pub rows_written: i64,
    pub bytes: i64,
    pub is_forgotten: bool,
    pub requested_by: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What people can do about an export.
pub(crate) const MACHINE: Machine<FileStatus> = Machine {
    resource: "export",
    transitions: &[Transition {
        action: "cancel",
        from: &[FileStatus::Queued, FileStatus::Running],
        to: FileStatus::Cancelled,
    }],
};
