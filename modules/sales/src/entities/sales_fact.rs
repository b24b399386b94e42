//! Table `sales_facts`.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CustomerId, OrderId, OrderLineId, ProductId};
use kernel::Id;
use kernel::money::Currency;
use kernel::quantity::Quantity;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Marks the key of a fact.
pub enum Fact {}
pub type FactId = Id<Fact>;

/// What happened: revenue (`shipped`, `credited`) or cost (`cost`, `returned`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[schema(as = SalesFactKind)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    /// Goods left: their net revenue.
    Shipped,
    /// Goods left: what they had cost.
    Cost,
    /// Revenue taken back by a credit note.
    Credited,
    /// Goods came back, to stock or to be scrapped: what they cost is no cost of sales any more.
    Returned,
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "sales_facts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: FactId,
    pub kind: Kind,
    pub source_event_id: Uuid,
    pub line: i64,
    pub document_id: Uuid,
    pub customer_id: CustomerId,
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    pub quantity: Quantity,
    pub currency: Currency,
    pub net_minor: i64,
    pub cost_minor: Option<i64>,
    pub occurred_on: NaiveDate,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
