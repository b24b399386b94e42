//! Table `stock_periods`: through which day the stock is closed.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::StockPeriodId;
use kernel::{Machine, Transition};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_periods")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StockPeriodId,
    pub position: i64,
    pub previous_id: Option<StockPeriodId>,
    pub through: NaiveDate,
    pub status: PeriodStatus,
    pub value_minor: i64,
    pub note: Option<String>,
    pub reopen_reason: Option<String>,
    pub closed_by: Option<Uuid>,
    pub reopened_by: Option<Uuid>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a stock period stands
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum PeriodStatus {
    /// Nothing is dated in it any more
    Closed,
    /// It is as if it had not been closed
    Reopened,
}

/// How a period goes; it is closed when it is made.
pub(crate) const MACHINE: Machine<PeriodStatus> = Machine {
    resource: "stock period",
    transitions: &[Transition {
        action: "reopen",
        from: &[PeriodStatus::Closed],
        to: PeriodStatus::Reopened,
    }],
};
