//! Table `period_locks`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::PeriodLockId;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How firmly a period is closed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum PeriodLockKind {
    /// It may be reopened, and posted through by whoever may and says why.
    Soft,
    /// For ever.
    Hard,
}

/// Where a lock stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, DeriveActiveEnum,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum PeriodLockStatus {
    /// It holds.
    Closed,
    /// It has been taken back.
    Reopened,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "period_locks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PeriodLockId,
    pub through: NaiveDate,
    pub kind: PeriodLockKind,
    pub status: PeriodLockStatus,
    pub reason: String,
    // What was posted before has an entry made no later.
    pub closed_at: DateTime<Utc>,
    pub reopened_at: Option<DateTime<Utc>>,
    pub reopen_reason: Option<String>,
    pub version: i64,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
