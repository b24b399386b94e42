//! Stock periods: days in which nothing is dated any more.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::StockPeriodId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::stock_period::PeriodStatus;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_stock_periods)
        .service(get_stock_period)
        .service(close_stock_period)
        .service(reopen_stock_period);
}

/// What is closed: every day after the period before it, through its last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockPeriod {
    pub id: StockPeriodId,
    /// Its last day.
    pub through: NaiveDate,
    #[schema(inline)]
    pub status: PeriodStatus,
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
    /// The period before it; absent: it begins with the first move.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub previous_id: Option<StockPeriodId>,
    /// What all stock was worth at the end of its last day, when it was closed.
    pub value: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reopen_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub closed_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reopened_by: Option<Uuid>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for StockPeriod {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A period to be closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseStockPeriod {
    /// Its last day: before today (UTC), and after that of the newest closed period.
    pub through: NaiveDate,
    #[schema(nullable = false)]
    pub note: Option<Note>,
}

/// Why a period is reopened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReopenStockPeriod {
    #[schema(example = "The count of 30 June was entered twice")]
    pub reason: Note,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListStockPeriods {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    #[param(inline)]
    pub status: Option<PeriodStatus>,
}

/// List stock periods
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Stock",
    params(ListStockPeriods),
    responses((status = 200, body = Page<StockPeriod>)),
    extensions(("x-permission" = json!("inventory.stock_period:read")))
)]
#[get("/stock-periods")]
async fn list_stock_periods(
    service: Data<Service>,
    query: Query<ListStockPeriods>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_stock_periods(query.0).await?))
}

/// Get stock period
#[utoipa::path(
    tag = "Stock",
    params(("id" = StockPeriodId, Path)),
    responses((status = 200, body = StockPeriod)),
    extensions(("x-permission" = json!("inventory.stock_period:read")))
)]
#[get("/stock-periods/{id}")]
async fn get_stock_period(service: Data<Service>, id: Path<StockPeriodId>) -> Result<Reply> {
    Ok(Reply::ok(&service.stock_period(*id).await?))
}

/// Close stock period
///
/// Closes the stock of all warehouses through a day. Nothing that moves goods or their value is
/// dated on it or before any more: receipts, adjustments and late costs are refused with 422
/// `stock_period_closed`; a shipment, a return or a purchase order's receipt that is heard of
/// later is booked on the first day that is open. What there was at the end of the day is
/// kept, and valuations of later days begin with it.
/// - Errors: 422 `period_not_over`, `stock_period_closed`, `date_out_of_range`.
#[utoipa::path(
    tag = "Stock",
    request_body = CloseStockPeriod,
    responses((status = 201, body = StockPeriod)),
    extensions(
        ("x-permission" = json!("inventory.stock_period:close")),
        ("x-errors" = json!(["period_not_over", "stock_period_closed", "date_out_of_range"]))
    )
)]
#[post("/stock-periods")]
async fn close_stock_period(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<CloseStockPeriod>,
) -> Result<Reply> {
    service.close_stock_period(&ctx, body.0).await
}

/// Reopen stock period
///
/// Makes it as if the period had not been closed. Only the newest can be.
/// - Errors: 409 `later_period_closed`, `illegal_transition` if it is reopened already.
#[utoipa::path(
    tag = "Stock",
    params(("id" = StockPeriodId, Path)),
    request_body = ReopenStockPeriod,
    responses((status = 200, body = StockPeriod)),
    extensions(
        ("x-permission" = json!("inventory.stock_period:reopen")),
        ("x-needs" = json!(["if-match", "step-up"])),
        ("x-errors" = json!(["later_period_closed", "illegal_transition"]))
    )
)]
#[post("/stock-periods/{id}/reopen")]
async fn reopen_stock_period(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockPeriodId>,
    body: Json<ReopenStockPeriod>,
) -> Result<Reply> {
    service.reopen_stock_period(&ctx, *id, body.0).await
}
