//! Table `reservations`: stock set aside.

use chrono::{DateTime, Utc};
use contracts::ids::{OrderId, OrderLineId, ProductId, ReservationId, WarehouseId};
use kernel::quantity::Quantity;
use kernel::{Machine, Transition};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reservations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReservationId,
    pub order_id: Option<OrderId>,
    pub order_line_id: Option<OrderLineId>,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub quantity: Quantity,
    pub remaining: Quantity,
    pub status: ReservationStatus,
    pub expires_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
    pub kit_line_id: Option<OrderLineId>,
    pub kit_id: Option<ProductId>,
    /// The first hold its line had, if this is not the first: how long it waits.
    pub first_id: Option<Uuid>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a reservation stands
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ReservationStatus {
    /// It holds stock
    Active,
    /// All of it was shipped
    Consumed,
    /// What was not shipped was given back
    Released,
    /// Its time ran out
    Expired,
}

/// How a reservation ends.
pub(crate) const MACHINE: Machine<ReservationStatus> = Machine {
    resource: "reservation",
    transitions: &[
        Transition {
            action: "release",
            from: &[ReservationStatus::Active],
            to: ReservationStatus::Released,
        },
        Transition {
            action: "consume",
            from: &[ReservationStatus::Active],
            to: ReservationStatus::Consumed,
        },
        Transition {
            action: "expire",
            from: &[ReservationStatus::Active],
            to: ReservationStatus::Expired,
        },
    ],
};
