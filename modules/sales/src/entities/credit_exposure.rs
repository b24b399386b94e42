//! Table `credit_exposures`.

use chrono::{DateTime, Utc};
use contracts::ids::{CustomerId, OrderId};
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// What an order's claim on credit has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    /// Until `expires_at`.
    Held,
    /// The order stands.
    Committed,
    /// Given back.
    Released,
    /// Given back by the clock.
    Expired,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "credit_exposures")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub state: State,
    pub amount_minor: i64,
    pub invoiced_minor: i64,
    pub expires_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    /// All that is wanted of the order's lines together; zero until it is confirmed.
    pub wanted_micros: i64,
    /// All of it that is on invoices.
    pub invoiced_micros: i64,
}

impl Model {
    /// Whether nothing of the order is left to invoice.
    pub fn is_invoiced(&self) -> bool {
        self.wanted_micros > 0 && self.invoiced_micros >= self.wanted_micros
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
