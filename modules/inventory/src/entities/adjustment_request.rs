//! Table `adjustment_requests`: corrections that somebody has to approve.

use chrono::{DateTime, Utc};
use contracts::ids::StockMoveId;
use kernel::{Machine, Transition};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "adjustment_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub adjustment: String,
    pub reverses_id: Option<StockMoveId>,
    pub status: RequestStatus,
    pub requested_by: Option<Uuid>,
    pub decided_by: Option<Uuid>,
    pub move_id: Option<StockMoveId>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a request for an adjustment stands
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum RequestStatus {
    /// Nobody has decided
    Pending,
    /// The adjustment is posted
    Approved,
    /// Nothing was changed
    Rejected,
}

/// How a request is decided.
pub(crate) const MACHINE: Machine<RequestStatus> = Machine {
    resource: "adjustment request",
    transitions: &[
        Transition {
            action: "approve",
            from: &[RequestStatus::Pending],
            to: RequestStatus::Approved,
        },
        Transition {
            action: "reject",
            from: &[RequestStatus::Pending],
            to: RequestStatus::Rejected,
        },
    ],
};
