//! Reports: what is old, slow, short or about to expire, and how fast stock turns.

use actix_web::get;
use actix_web::web::Data;
use chrono::NaiveDate;
use contracts::ids::{LotId, ProductId, WarehouseId};
use kernel::Result;
use kernel::http::{Query, Reply, Routes};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page};
use kernel::quantity::Quantity;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::lot::LotStatus;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(report_ageing)
        .service(report_slow_movers)
        .service(report_shortages)
        .service(report_lot_expiry)
        .service(report_turnover);
}

/// How long what a warehouse has of a product has been there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgeingRow {
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub warehouse_id: WarehouseId,
    pub on_hand: Quantity,
    pub value: Money,
    /// For up to 30, 90 and 180 days, and longer; together `on_hand`.
    pub up_to_30_days: Quantity,
    pub up_to_90_days: Quantity,
    pub up_to_180_days: Quantity,
    pub older: Quantity,
}

/// What nothing was sold of for a while.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SlowMover {
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub warehouse_id: WarehouseId,
    pub on_hand: Quantity,
    pub value: Money,
    /// Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_issued_on: Option<NaiveDate>,
}

/// What orders wait for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockShortage {
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub warehouse_id: WarehouseId,
    pub on_hand: Quantity,
    pub backordered: Quantity,
    /// What is on its way.
    pub expected: Quantity,
    /// When the first of it is to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expected_on: Option<NaiveDate>,
}

/// What is on hand of a lot that expires.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExpiringLot {
    pub lot_id: LotId,
    #[schema(example = "L-2026-04")]
    pub number: String,
    pub product_id: ProductId,
    #[schema(example = "MILK-1L")]
    pub sku: String,
    pub expires_on: NaiveDate,
    #[schema(inline)]
    pub status: LotStatus,
    pub quantity: Quantity,
}

/// How fast the stock of a product turned.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TurnoverRow {
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    /// Shipped in the period, and what that cost.
    pub issued: Quantity,
    pub cost: Money,
    /// What there was before the period, and what at its end.
    pub opening_value: Money,
    pub closing_value: Money,
    /// The cost of what was shipped over the mean of both; absent where that is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "4.25")]
    pub turns: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportStock {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    pub warehouse_id: Option<WarehouseId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportSlowMovers {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    pub warehouse_id: Option<WarehouseId>,
    /// Nothing shipped for so many days; 90 where not said.
    #[param(minimum = 1, maximum = 3650)]
    pub days: Option<u16>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportLotExpiry {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    pub warehouse_id: Option<WarehouseId>,
    /// Expired by the end of this day, or before; in 30 days where not said.
    pub expires_by: Option<NaiveDate>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportTurnover {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    pub warehouse_id: Option<WarehouseId>,
    /// The first day of the period; 90 days before its last where not said.
    pub from: Option<NaiveDate>,
    /// The last day of the period; today (UTC) where not said.
    pub to: Option<NaiveDate>,
}

/// Report ageing
///
/// How long what is on hand has been there, as if what came first had left first.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportStock),
    responses((status = 200, body = Page<AgeingRow>)),
    extensions(("x-permission" = json!("inventory.report:read")))
)]
#[get("/reports/ageing")]
async fn report_ageing(service: Data<Service>, query: Query<ReportStock>) -> Result<Reply> {
    Ok(Reply::plain(&service.report_ageing(query.0).await?))
}

/// Report slow movers
///
/// What is on hand and was not shipped for a while.
/// - Errors: 422 `days_out_of_range`.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportSlowMovers),
    responses((status = 200, body = Page<SlowMover>)),
    extensions(
        ("x-permission" = json!("inventory.report:read")),
        ("x-errors" = json!(["days_out_of_range"]))
    )
)]
#[get("/reports/slow-movers")]
async fn report_slow_movers(
    service: Data<Service>,
    query: Query<ReportSlowMovers>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.report_slow_movers(query.0).await?))
}

/// Report shortages
///
/// What orders wait for, and when it is to come.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportStock),
    responses((status = 200, body = Page<StockShortage>)),
    extensions(("x-permission" = json!("inventory.report:read")))
)]
#[get("/reports/shortages")]
async fn report_shortages(service: Data<Service>, query: Query<ReportStock>) -> Result<Reply> {
    Ok(Reply::plain(&service.report_shortages(query.0).await?))
}

/// Report lot expiry
///
/// What is on hand of lots that expire soon, or have.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportLotExpiry),
    responses((status = 200, body = Page<ExpiringLot>)),
    extensions(("x-permission" = json!("inventory.report:read")))
)]
#[get("/reports/lot-expiry")]
async fn report_lot_expiry(service: Data<Service>, query: Query<ReportLotExpiry>) -> Result<Reply> {
    Ok(Reply::plain(&service.report_lot_expiry(query.0).await?))
}

/// Report turnover
///
/// What was shipped in a period, against what there was: by product, in the order of their ids.
/// - Errors: 422 `period_backwards`.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportTurnover),
    responses((status = 200, body = Page<TurnoverRow>)),
    extensions(
        ("x-permission" = json!("inventory.report:read")),
        ("x-errors" = json!(["period_backwards"]))
    )
)]
#[get("/reports/turnover")]
async fn report_turnover(service: Data<Service>, query: Query<ReportTurnover>) -> Result<Reply> {
    Ok(Reply::plain(&service.report_turnover(query.0).await?))
}
