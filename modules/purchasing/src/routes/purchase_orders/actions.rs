//! What can be asked of a purchase order.

use actix_web::post;
use actix_web::web::Data;
use contracts::ids::PurchaseOrderId;
use kernel::http::{Path, Reply, Routes};
use kernel::{Ctx, Result};

use super::types::PurchaseOrder;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(approve_purchase_order)
        .service(send_purchase_order)
        .service(cancel_purchase_order)
        .service(close_purchase_order);
}

/// Approve purchase order
///
/// From now on it does not change. Billing takes a copy to match the supplier's bills with.
/// - Errors: 409 `illegal_transition`; 422 `supplier_inactive`; with the setting
///   `purchasing.four_eyes` 403 `segregation_of_duties` for whoever entered or changed it.
/// - Emits `purchasing.purchase_order.approved`.
#[utoipa::path(
    tag = "Purchase orders",
    params(("id" = PurchaseOrderId, Path)),
    responses((status = 200, body = PurchaseOrder)),
    extensions(
        ("x-permission" = json!("purchasing.purchase_order:approve")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "illegal_transition", "supplier_inactive", "segregation_of_duties"
        ]))
    )
)]
#[post("/purchase-orders/{id}/approve")]
async fn approve_purchase_order(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PurchaseOrderId>,
) -> Result<Reply> {
    service.approve_purchase_order(&ctx, *id).await
}

/// Send purchase order
///
/// Notes that the supplier has it: goods can be received.
/// - Errors: 409 `illegal_transition`; 422 `supplier_inactive`.
#[utoipa::path(
    tag = "Purchase orders",
    params(("id" = PurchaseOrderId, Path)),
    responses((status = 200, body = PurchaseOrder)),
    extensions(
        ("x-permission" = json!("purchasing.purchase_order:send")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition", "supplier_inactive"]))
    )
)]
#[post("/purchase-orders/{id}/send")]
async fn send_purchase_order(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PurchaseOrderId>,
) -> Result<Reply> {
    service.send_purchase_order(&ctx, *id).await
}

/// Cancel purchase order
///
/// The whole of it, while nothing has been received.
/// - Errors: 409 `illegal_transition`, `already_received` (close it instead).
#[utoipa::path(
    tag = "Purchase orders",
    params(("id" = PurchaseOrderId, Path)),
    responses((status = 200, body = PurchaseOrder)),
    extensions(
        ("x-permission" = json!("purchasing.purchase_order:cancel")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition", "already_received"]))
    )
)]
#[post("/purchase-orders/{id}/cancel")]
async fn cancel_purchase_order(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PurchaseOrderId>,
) -> Result<Reply> {
    service.cancel_purchase_order(&ctx, *id).await
}

/// Close purchase order
///
/// Whatever has not arrived is not wanted any more. Bills for what has arrived may still
/// come. An order that is received and billed in full closes by itself.
/// - Errors: 409 `illegal_transition`, also where nothing has been received: cancel it
///   instead.
#[utoipa::path(
    tag = "Purchase orders",
    params(("id" = PurchaseOrderId, Path)),
    responses((status = 200, body = PurchaseOrder)),
    extensions(
        ("x-permission" = json!("purchasing.purchase_order:close")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/purchase-orders/{id}/close")]
async fn close_purchase_order(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PurchaseOrderId>,
) -> Result<Reply> {
    service.close_purchase_order(&ctx, *id).await
}
