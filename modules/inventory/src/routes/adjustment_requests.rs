//! Reasons for corrections, and corrections that somebody else has to approve.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use contracts::ids::StockMoveId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Code, Name};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::adjustment_reason::ReasonKind;
use crate::entities::adjustment_request::RequestStatus;
use crate::routes::adjustments::NewAdjustment;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_adjustment_reasons)
        .service(create_adjustment_reason)
        .service(list_adjustment_requests)
        .service(get_adjustment_request)
        .service(request_adjustment)
        .service(approve_adjustment)
        .service(reject_adjustment);
}

/// Why stock is corrected.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdjustmentReason {
    pub id: Uuid,
    /// Short code, unique.
    #[schema(example = "DAMAGED")]
    pub code: String,
    pub name: String,
    #[schema(inline)]
    pub kind: ReasonKind,
    /// A correction worth more than this has to be approved; absent: none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub approval_above: Option<Money>,
    pub created_at: DateTime<Utc>,
}

/// A reason to be created. It never changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAdjustmentReason {
    pub code: Code,
    pub name: Name,
    #[schema(inline)]
    pub kind: ReasonKind,
    /// A correction worth more than this has to be approved; not said: none has. The lowest of
    /// all reasons is also that of a correction that names none.
    #[schema(nullable = false)]
    pub approval_above: Option<Money>,
}

/// An adjustment somebody asks for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdjustmentRequest {
    pub id: Uuid,
    pub adjustment: NewAdjustment,
    /// The move that is to be taken back, as it was posted; `adjustment` is its mirror.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reverses_id: Option<StockMoveId>,
    #[schema(inline)]
    pub status: RequestStatus,
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
    /// Who asked, and who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub requested_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub decided_by: Option<Uuid>,
    /// What was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub move_id: Option<StockMoveId>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for AdjustmentRequest {
    fn version(&self) -> i64 {
        self.version
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAdjustmentReasons {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAdjustmentRequests {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    #[param(inline)]
    pub status: Option<RequestStatus>,
}

/// List adjustment reasons
#[utoipa::path(
    tag = "Stock adjustments",
    params(ListAdjustmentReasons),
    responses((status = 200, body = Page<AdjustmentReason>)),
    extensions(("x-permission" = json!("inventory.adjustment_reason:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/adjustment-reasons")]
async fn list_adjustment_reasons(
    service: Data<Service>,
    query: Query<ListAdjustmentReasons>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_adjustment_reasons(query.0).await?))
}

/// Create adjustment reason
///
/// - Errors: 409 `reason_code_taken`; 422 `currency_not_supported`, `amount_negative`.
#[utoipa::path(
    tag = "Stock adjustments",
    request_body = NewAdjustmentReason,
    responses((status = 201, body = AdjustmentReason)),
    extensions(
        ("x-permission" = json!("inventory.adjustment_reason:create")),
        ("x-errors" = json!(["reason_code_taken", "currency_not_supported", "amount_negative"]))
    )
)]
#[post("/adjustment-reasons")]
async fn create_adjustment_reason(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewAdjustmentReason>,
) -> Result<Reply> {
    service.create_adjustment_reason(&ctx, body.0).await
}

/// List adjustment requests
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Stock adjustments",
    params(ListAdjustmentRequests),
    responses((status = 200, body = Page<AdjustmentRequest>)),
    extensions(("x-permission" = json!("inventory.stock:read")))
)]
#[get("/adjustment-requests")]
async fn list_adjustment_requests(
    service: Data<Service>,
    query: Query<ListAdjustmentRequests>,
) -> Result<Reply> {
    let page = service.list_adjustment_requests(query.0).await?;
    let data: Result<Vec<_>> = page.data.into_iter().map(AdjustmentRequest::try_from).collect();
    Ok(Reply::plain(&Page { data: data?, page: page.page }))
}

/// Get adjustment request
#[utoipa::path(
    tag = "Stock adjustments",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = AdjustmentRequest)),
    extensions(("x-permission" = json!("inventory.stock:read")))
)]
#[get("/adjustment-requests/{id}")]
async fn get_adjustment_request(service: Data<Service>, id: Path<Uuid>) -> Result<Reply> {
    Ok(Reply::ok(&AdjustmentRequest::try_from(service.adjustment_request(*id).await?)?))
}

/// Request adjustment
///
/// Asks somebody else to approve an adjustment. Nothing moves until they do.
/// - Errors: 422 `quantity_zero`, `quantity_too_fine`, `unknown_product`,
///   `unknown_warehouse`, `unknown_reason`, `date_in_future`, `stock_period_closed`.
#[utoipa::path(
    tag = "Stock adjustments",
    request_body = NewAdjustment,
    responses((status = 201, body = AdjustmentRequest)),
    extensions(
        ("x-permission" = json!("inventory.stock:adjust")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "product_is_kit",
            "quantity_zero", "quantity_too_fine", "unknown_product", "unknown_warehouse",
            "unknown_reason", "date_in_future", "date_out_of_range", "stock_period_closed"
        ]))
    )
)]
#[post("/adjustment-requests")]
async fn request_adjustment(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewAdjustment>,
) -> Result<Reply> {
    service.request_adjustment(&ctx, body.0).await
}

/// Approve adjustment
///
/// Posts the adjustment, as `adjust_stock` would if there were no limit, or the reversal, as
/// `reverse_stock_move` would.
/// - Errors: those of both; 409 `own_request` for who asked for it,
///   `illegal_transition` once it is decided.
/// - Emits what `adjust_stock` emits.
#[utoipa::path(
    tag = "Stock adjustments",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = AdjustmentRequest)),
    extensions(
        ("x-permission" = json!("inventory.stock:approve")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!([
            "own_request", "illegal_transition", "insufficient_stock", "value_moved",
            "unit_cost_required",
            "unit_cost_not_allowed", "date_in_future", "stock_period_closed", "amount_overflow",
            "cost_unknown", "already_reversed"
        ]))
    )
)]
#[post("/adjustment-requests/{id}/approve")]
async fn approve_adjustment(ctx: Ctx, service: Data<Service>, id: Path<Uuid>) -> Result<Reply> {
    service.decide_adjustment(&ctx, *id, "approve").await
}

/// Reject adjustment
///
/// - Errors: 409 `own_request`, `illegal_transition` once it is decided.
#[utoipa::path(
    tag = "Stock adjustments",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = AdjustmentRequest)),
    extensions(
        ("x-permission" = json!("inventory.stock:approve")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["own_request", "illegal_transition"]))
    )
)]
#[post("/adjustment-requests/{id}/reject")]
async fn reject_adjustment(ctx: Ctx, service: Data<Service>, id: Path<Uuid>) -> Result<Reply> {
    service.decide_adjustment(&ctx, *id, "reject").await
}
