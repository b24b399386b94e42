//! What can be asked of an order.

use actix_web::post;
use actix_web::web::Data;
use contracts::ids::{OrderId, OrderLineId};
use kernel::http::{Json, Path, Reply, Routes};
use kernel::quantity::PositiveQuantity;
use kernel::{Ctx, Result};
use serde::Deserialize;
use utoipa::ToSchema;

use super::types::Order;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(confirm_order)
        .service(cancel_order)
        .service(close_order_short)
        .service(cancel_order_line);
}

/// How much of a line is not wanted any more.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelLine {
    pub quantity: PositiveQuantity,
}

/// Confirm order
///
/// All or nothing: the customer's credit covers it, its stock is reserved (or, where the
/// order allows it, waits as a backorder), and only then does it stand. Whatever was held
/// for a refused confirmation is given back; after a crash it expires by itself.
/// - Errors: 409 `illegal_transition`, `customer_inactive`, `credit_limit_exceeded` with `params.{limit,
///   exposure, asked}`, `insufficient_stock` with `params.shortages`.
/// - Emits `orders.order.confirmed`.
#[utoipa::path(
    tag = "Orders",
    params(("id" = OrderId, Path)),
    responses((status = 200, body = Order)),
    extensions(
        ("x-permission" = json!("orders.order:confirm")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!([
            "illegal_transition", "customer_inactive", "credit_limit_exceeded",
            "insufficient_stock", "unknown_product", "unknown_warehouse"
        ]))
    )
)]
#[post("/orders/{id}/confirm")]
async fn confirm_order(ctx: Ctx, service: Data<Service>, id: Path<OrderId>) -> Result<Reply> {
    service.confirm_order(&ctx, *id).await
}

/// Cancel order
///
/// The whole of it, while nothing has been shipped and nothing is packed.
/// - Errors: 409 `illegal_transition`, `already_shipped`, `packed_shipments`.
/// - Emits `orders.order.cancelled` if it had been confirmed.
#[utoipa::path(
    tag = "Orders",
    params(("id" = OrderId, Path)),
    responses((status = 200, body = Order)),
    extensions(
        ("x-permission" = json!("orders.order:cancel")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["illegal_transition", "already_shipped", "packed_shipments"]))
    )
)]
#[post("/orders/{id}/cancel")]
async fn cancel_order(ctx: Ctx, service: Data<Service>, id: Path<OrderId>) -> Result<Reply> {
    service.cancel_order(&ctx, *id).await
}

/// Close order short
///
/// Cancels whatever has not been shipped and completes the order.
/// - Errors: 409 `illegal_transition`, `nothing_shipped` (cancel it instead),
///   `packed_shipments`.
/// - Emits `orders.order.lines_cancelled`, `orders.order.completed`.
#[utoipa::path(
    tag = "Orders",
    params(("id" = OrderId, Path)),
    responses((status = 200, body = Order)),
    extensions(
        ("x-permission" = json!("orders.order:close")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["illegal_transition", "nothing_shipped", "packed_shipments"]))
    )
)]
#[post("/orders/{id}/close-short")]
async fn close_order_short(ctx: Ctx, service: Data<Service>, id: Path<OrderId>) -> Result<Reply> {
    service.close_order_short(&ctx, *id).await
}

/// Cancel order line
///
/// Part or all of what is still to come of one line of a confirmed order: first what waits
/// for stock, then what is reserved; packed goods are out of reach. An order of which
/// nothing is left to ship is over: completed, or cancelled if nothing was shipped.
/// - Errors: 409 `illegal_transition`, `exceeds_open` with `params.available`; 422
///   `quantity_too_fine`.
/// - Emits `orders.order.lines_cancelled`.
#[utoipa::path(
    tag = "Orders",
    params(("id" = OrderId, Path), ("line_id" = OrderLineId, Path)),
    request_body = CancelLine,
    responses((status = 200, body = Order)),
    extensions(
        ("x-permission" = json!("orders.order:cancel")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["illegal_transition", "exceeds_open", "quantity_too_fine"]))
    )
)]
#[post("/orders/{id}/lines/{line_id}/cancel")]
async fn cancel_order_line(
    ctx: Ctx,
    service: Data<Service>,
    path: Path<(OrderId, OrderLineId)>,
    body: Json<CancelLine>,
) -> Result<Reply> {
    let (id, line_id) = *path;
    service.cancel_order_line(&ctx, id, line_id, body.0).await
}
