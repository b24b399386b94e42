//! Landed costs: what goods turn out to have cost beside their price.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{ProductId, StockMoveId};
use kernel::http::{Json, Query, Reply, Routes};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::landed_cost::CostBasis;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_landed_costs).service(add_landed_cost);
}

/// A cost that came after the goods. It never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LandedCost {
    pub id: Uuid,
    /// The receipt it is of: `source.id` of its moves.
    pub source_id: Uuid,
    pub amount: Money,
    #[schema(inline)]
    pub basis: CostBasis,
    pub reason: String,
    pub booked_on: NaiveDate,
    /// What it adds to the value of goods that were still there.
    pub in_stock: Money,
    /// What fell to goods that had gone.
    pub expensed: Money,
    /// One for each move of the receipt, and for each move of a transfer that brought goods of it
    /// where they are. They add up to the amount.
    pub shares: Vec<CostShare>,
    pub created_at: DateTime<Utc>,
}

/// What falls to one move.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CostShare {
    pub move_id: StockMoveId,
    pub product_id: ProductId,
    pub share: Money,
    /// The part of it that falls to goods that were still there.
    pub in_stock: Money,
}

/// A cost that came after the goods.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLandedCost {
    /// The receipt it is of: `source.id` of its moves.
    pub source_id: Uuid,
    /// Above zero, in the currency of the books.
    pub amount: Money,
    #[schema(inline)]
    pub basis: CostBasis,
    #[schema(example = "Freight, invoice 4711")]
    pub reason: Note,
    /// Today (UTC) where not said; not in the future.
    #[schema(nullable = false)]
    pub booked_on: Option<NaiveDate>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListLandedCosts {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only those of this receipt.
    pub source_id: Option<Uuid>,
}

/// List landed costs
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Stock",
    params(ListLandedCosts),
    responses((status = 200, body = Page<LandedCost>)),
    extensions(("x-permission" = json!("inventory.landed_cost:read")))
)]
#[get("/landed-costs")]
async fn list_landed_costs(service: Data<Service>, query: Query<ListLandedCosts>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_landed_costs(query.0).await?))
}

/// Add landed cost
///
/// Spreads a cost over the lines of a receipt by quantity, value or weight, to the minor unit.
/// What falls to goods that are still in their warehouse adds to their value. What falls to others
/// goes after them by the transfers that left the warehouse since, the oldest first, and adds to the
/// value of what those brought and is still there or on its way, and so on from there; at a standard
/// cost it is a variance wherever it is. The rest is an expense. Nothing that was posted is valued
/// anew.
/// - Errors: 422 `unknown_receipt`, `currency_not_supported`, `amount_not_positive`,
///   `weight_unknown`, `date_in_future`, `stock_period_closed`, `amount_overflow`; 409
///   `changed_meanwhile` where goods are sent on at the same moment.
/// - Emits `inventory.stock.adjusted` with a quantity of zero for each line whose goods are
///   worth more. Its counter account is that of inventory adjustments, where the bill of the
///   cost belongs as well.
#[utoipa::path(
    tag = "Stock",
    request_body = NewLandedCost,
    responses((status = 201, body = LandedCost)),
    extensions(
        ("x-permission" = json!("inventory.landed_cost:create")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "unknown_receipt", "currency_not_supported", "amount_not_positive",
            "weight_unknown", "date_in_future", "date_out_of_range", "stock_period_closed",
            "amount_overflow", "changed_meanwhile"
        ]))
    )
)]
#[post("/landed-costs")]
async fn add_landed_cost(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewLandedCost>,
) -> Result<Reply> {
    service.add_landed_cost(&ctx, body.0).await
}
