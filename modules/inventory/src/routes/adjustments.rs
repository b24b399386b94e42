//! Adjustments: what a count finds is made what the books say.

use actix_web::post;
use actix_web::web::Data;
use chrono::NaiveDate;
use contracts::ids::{LocationId, LotId, ProductId, WarehouseId};
use kernel::http::{Json, Reply, Routes};
use kernel::money::UnitPrice;
use kernel::quantity::Quantity;
use kernel::text::{Code, Note};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routes::moves::StockMove;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(adjust_stock);
}

/// A correction of what is on hand.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAdjustment {
    pub warehouse_id: WarehouseId,
    pub product_id: ProductId,
    /// Of which lot, or with which serial number. Not said: in the order they would leave in;
    /// what is found is promised to nobody until it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lot_id: Option<LotId>,
    /// Where in the warehouse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub location_id: Option<LocationId>,
    /// How much more there is, or, below zero, how much less. Not zero.
    #[schema(example = "-2")]
    pub quantity: Quantity,
    /// What a unit costs, where stock is found and none was on hand: there is no average
    /// to go by. Where there was less than nothing it may be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unit_cost: Option<UnitPrice>,
    #[schema(example = "Broken in the warehouse")]
    pub reason: Note,
    /// A reason of the company's own list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason_code: Option<Code>,
    /// Whether goods that are gone are taken out though they are promised, or picked. The newest
    /// promises are broken first: their orders wait. A picking list gives up what it held of the
    /// lot or at the location that is named; what its order is still promised is picked anew.
    #[serde(default)]
    pub break_reservations: bool,
    /// Today (UTC) where not said; not in the future.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub adjusted_on: Option<NaiveDate>,
}

/// Adjust stock
///
/// Goods found come in, and goods missing go out, at the average cost of what is on hand. Below
/// zero, where there may be less, at what the last of it cost.
/// Orders that wait for what was found get it first.
/// - Errors: 409 `insufficient_stock` if that much is not available, or was not on
///   `adjusted_on` or a day since: what is reserved has to be released first, or
///   `break_reservations` be said; 409 `approval_required` if it is worth
///   more than the reason allows: ask for it with `request_adjustment`; 422 `unknown_reason`,
///   `quantity_zero`, `quantity_too_fine`, `unit_cost_required`,
///   `unit_cost_not_allowed`, `unknown_product`, `unknown_warehouse`, `date_in_future`,
///   `stock_period_closed`, `amount_overflow`, `cost_unknown` where it would go below zero and
///   there has never been any. Under an earlier date nothing goes below zero; 409
///   `value_moved` where what is taken out costs more than all of it was worth since.
/// - Emits `inventory.stock.adjusted`, `inventory.reservation.broken` for each order whose
///   goods are gone, and `inventory.backorder.filled` for each order that
///   was waiting.
#[utoipa::path(
    tag = "Stock adjustments",
    request_body = NewAdjustment,
    responses((status = 201, body = StockMove)),
    extensions(
        ("x-permission" = json!("inventory.stock:adjust")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "insufficient_stock", "quantity_zero", "quantity_too_fine", "unit_cost_required",
            "product_is_kit", "unit_cost_not_allowed", "unknown_product", "unknown_warehouse",
            "date_in_future", "date_out_of_range", "stock_period_closed", "amount_overflow",
            "approval_required", "unknown_reason", "cost_unknown", "value_moved",
            "location_inactive"
        ]))
    )
)]
#[post("/adjustments")]
async fn adjust_stock(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewAdjustment>,
) -> Result<Reply> {
    service.adjust_stock(&ctx, body.0).await
}
