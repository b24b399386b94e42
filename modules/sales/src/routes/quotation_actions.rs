//! What is done with a quotation once it is drafted.

use actix_web::post;
use actix_web::web::Data;
use contracts::ids::QuotationId;
use kernel::http::{Path, Reply, Routes};
use kernel::{Ctx, Result};

use crate::routes::quotations::Quotation;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(send_quotation)
        .service(accept_quotation)
        .service(reject_quotation)
        .service(cancel_quotation);
}

/// Send quotation
///
/// From now on its lines and terms stand.
/// - Errors: 409 `illegal_transition`, `quotation_expired`, `customer_inactive`.
#[utoipa::path(
    tag = "Quotations",
    params(("id" = QuotationId, Path)),
    responses((status = 200, body = Quotation)),
    extensions(
        ("x-permission" = json!("sales.quotation:send")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition", "quotation_expired", "customer_inactive"]))
    )
)]
#[post("/quotations/{id}/send")]
async fn send_quotation(ctx: Ctx, service: Data<Service>, id: Path<QuotationId>) -> Result<Reply> {
    service.send_quotation(&ctx, *id).await
}

/// Accept quotation
///
/// The customer said yes. A draft order follows, and makes the quotation `converted`.
/// - Errors: 409 `illegal_transition`, `quotation_expired`, `customer_inactive`.
/// - Emits `sales.quotation.accepted`.
#[utoipa::path(
    tag = "Quotations",
    params(("id" = QuotationId, Path)),
    responses((status = 200, body = Quotation)),
    extensions(
        ("x-permission" = json!("sales.quotation:accept")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition", "quotation_expired", "customer_inactive"]))
    )
)]
#[post("/quotations/{id}/accept")]
async fn accept_quotation(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<QuotationId>,
) -> Result<Reply> {
    service.accept_quotation(&ctx, *id).await
}

/// Reject quotation
///
/// The customer said no. Why can be said in `X-Reason`.
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Quotations",
    params(("id" = QuotationId, Path)),
    responses((status = 200, body = Quotation)),
    extensions(
        ("x-permission" = json!("sales.quotation:reject")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/quotations/{id}/reject")]
async fn reject_quotation(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<QuotationId>,
) -> Result<Reply> {
    service.reject_quotation(&ctx, *id).await
}

/// Cancel quotation
///
/// We take it back. Why can be said in `X-Reason`.
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Quotations",
    params(("id" = QuotationId, Path)),
    responses((status = 200, body = Quotation)),
    extensions(
        ("x-permission" = json!("sales.quotation:cancel")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/quotations/{id}/cancel")]
async fn cancel_quotation(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<QuotationId>,
) -> Result<Reply> {
    service.cancel_quotation(&ctx, *id).await
}
