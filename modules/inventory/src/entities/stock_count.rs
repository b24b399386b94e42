//! Table `stock_counts`: stock takes.

use chrono::{DateTime, Utc};
use contracts::ids::{StockCountId, WarehouseId};
use kernel::{Machine, Transition};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_counts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StockCountId,
    pub warehouse_id: WarehouseId,
    pub status: CountStatus,
    pub is_blind: bool,
    pub tolerance_percent: Option<i64>,
    pub note: Option<String>,
    pub submitted_by: Option<Uuid>,
    pub approved_by: Option<Uuid>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a stock count stands
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum CountStatus {
    /// Quantities are being recorded
    Counting,
    /// It waits for approval
    Submitted,
    /// The books say what was counted
    Posted,
    /// Nothing was changed
    Cancelled,
}

/// How a count goes.
pub(crate) const MACHINE: Machine<CountStatus> = Machine {
    resource: "stock count",
    transitions: &[
        Transition { action: "submit", from: &[CountStatus::Counting], to: CountStatus::Submitted },
        Transition { action: "reopen", from: &[CountStatus::Submitted], to: CountStatus::Counting },
        Transition { action: "approve", from: &[CountStatus::Submitted], to: CountStatus::Posted },
        Transition {
            action: "cancel",
            from: &[CountStatus::Counting, CountStatus::Submitted],
            to: CountStatus::Cancelled,
        },
    ],
};
