//! Reports: what is old, slow, short or about to expire, and how fast stock turns.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use chrono::NaiveDate;
use contracts::ids::{LotId, ProductId, WarehouseId};
use kernel::Result;
use kernel::http::{Query, Routes};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page};
use kernel::page_query;
use kernel::quantity::Quantity;
use kernel::table::{Accept, Tabular};
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
    /// Shipped in the period less what customers sent back to the shelf, and what that cost;
    /// below zero where more came back than left.
    pub issued: Quantity,
    pub cost: Money,
    /// What there was before the period, and what at its end.
    pub opening_value: Money,
    pub closing_value: Money,
    /// `cost` over the mean of both; absent where that is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "4.25")]
    pub turns: Option<String>,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportStock {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    pub warehouse_id: Option<WarehouseId>,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
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

#[derive(Clone, Debug, Deserialize, IntoParams)]
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

#[derive(Clone, Debug, Deserialize, IntoParams)]
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

page_query!(ReportStock, ReportSlowMovers, ReportLotExpiry, ReportTurnover);

impl Tabular for AgeingRow {
    const COLUMNS: &'static [&'static str] = &[
        "product_id",
        "sku",
        "warehouse_id",
        "on_hand",
        "value.amount",
        "value.currency",
        "up_to_30_days",
        "up_to_90_days",
        "up_to_180_days",
        "older",
    ];
    const SERIES: &'static [&'static str] =
        &["up_to_30_days", "up_to_90_days", "up_to_180_days", "older"];
}

impl Tabular for SlowMover {
    const COLUMNS: &'static [&'static str] = &[
        "product_id",
        "sku",
        "warehouse_id",
        "on_hand",
        "value.amount",
        "value.currency",
        "last_issued_on",
    ];
    const SERIES: &'static [&'static str] = &["on_hand", "value.amount"];
}

impl Tabular for StockShortage {
    const COLUMNS: &'static [&'static str] =
        &["product_id", "sku", "warehouse_id", "on_hand", "backordered", "expected", "expected_on"];
    const SERIES: &'static [&'static str] = &["on_hand", "backordered", "expected"];
}

impl Tabular for ExpiringLot {
    const COLUMNS: &'static [&'static str] =
        &["lot_id", "number", "product_id", "sku", "expires_on", "status", "quantity"];
    const LABEL: &'static str = "number";
    const SERIES: &'static [&'static str] = &["quantity"];
}

impl Tabular for TurnoverRow {
    const COLUMNS: &'static [&'static str] = &[
        "product_id",
        "sku",
        "issued",
        "cost.amount",
        "cost.currency",
        "opening_value.amount",
        "opening_value.currency",
        "closing_value.amount",
        "closing_value.currency",
        "turns",
    ];
    const SERIES: &'static [&'static str] =
        &["issued", "cost.amount", "opening_value.amount", "closing_value.amount", "turns"];
}

/// Report ageing
///
/// How long what is on hand has been there, as if what came first had left first. A receipt that
/// was reversed has not come, and what left by mistake is as old as it was.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportStock),
    responses((status = 200, body = Page<AgeingRow>)),
    extensions(
        ("x-permission" = json!("inventory.report:read")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/reports/ageing")]
async fn report_ageing(
    accept: Accept,
    service: Data<Service>,
    query: Query<ReportStock>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let service = service.clone();
            async move { service.report_ageing(query).await }
        })
        .await
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
        ("x-forms" = json!(["csv", "series"])),
        ("x-errors" = json!(["days_out_of_range"]))
    )
)]
#[get("/reports/slow-movers")]
async fn report_slow_movers(
    accept: Accept,
    service: Data<Service>,
    query: Query<ReportSlowMovers>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let service = service.clone();
            async move { service.report_slow_movers(query).await }
        })
        .await
}

/// Report shortages
///
/// What orders wait for, and when it is to come.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportStock),
    responses((status = 200, body = Page<StockShortage>)),
    extensions(
        ("x-permission" = json!("inventory.report:read")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/reports/shortages")]
async fn report_shortages(
    accept: Accept,
    service: Data<Service>,
    query: Query<ReportStock>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let service = service.clone();
            async move { service.report_shortages(query).await }
        })
        .await
}

/// Report lot expiry
///
/// What is on hand of lots that expire soon, or have.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportLotExpiry),
    responses((status = 200, body = Page<ExpiringLot>)),
    extensions(
        ("x-permission" = json!("inventory.report:read")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/reports/lot-expiry")]
async fn report_lot_expiry(
    accept: Accept,
    service: Data<Service>,
    query: Query<ReportLotExpiry>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let service = service.clone();
            async move { service.report_lot_expiry(query).await }
        })
        .await
}

/// Report turnover
///
/// What was shipped in a period and did not come back, against what there was: by product, in the
/// order of their ids.
/// - Errors: 422 `period_backwards`.
#[utoipa::path(
    tag = "Stock reports",
    params(ReportTurnover),
    responses((status = 200, body = Page<TurnoverRow>)),
    extensions(
        ("x-permission" = json!("inventory.report:read")),
        ("x-forms" = json!(["csv", "series"])),
        ("x-errors" = json!(["period_backwards"]))
    )
)]
#[get("/reports/turnover")]
async fn report_turnover(
    accept: Accept,
    service: Data<Service>,
    query: Query<ReportTurnover>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let service = service.clone();
            async move { service.report_turnover(query).await }
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::PartialSchema;

    use super::*;
    use crate::routes::backorders::Backorder;
    use crate::routes::moves::StockMove;
    use crate::routes::planning::ReorderSuggestion;
    use crate::routes::promises::PromiseDay;
    use crate::routes::reservations::Reservation;
    use crate::routes::stock::StockLevel;
    use crate::routes::valuation::ValuationRow;

    /// Each field is in a column, and each column is a field, `left_out` excepted.
    fn check<T: Tabular + PartialSchema>(left_out: &[&str]) {
        let schema = serde_json::to_value(T::schema()).expect("JSON");
        let fields = schema["properties"].as_object().expect("an object").keys();
        let fields: BTreeSet<&str> =
            fields.map(String::as_str).filter(|field| !left_out.contains(field)).collect();
        let of = |column: &&'static str| column.split('.').next().unwrap_or_default();
        let columns: BTreeSet<&str> = T::COLUMNS.iter().map(of).collect();
        assert_eq!(columns, fields);
        assert!(T::SERIES.iter().all(|series| T::COLUMNS.contains(series)), "{:?}", T::SERIES);
        assert!(T::COLUMNS.contains(&T::LABEL), "{}", T::LABEL);
    }

    #[test]
    fn a_report_has_a_column_for_each_field() {
        check::<AgeingRow>(&[]);
        check::<SlowMover>(&[]);
        check::<StockShortage>(&[]);
        check::<ExpiringLot>(&[]);
        check::<TurnoverRow>(&[]);
        check::<StockLevel>(&[]);
        check::<StockMove>(&[]);
        check::<Reservation>(&["allowed_actions"]);
        check::<Backorder>(&["allowed_actions"]);
        check::<ReorderSuggestion>(&[]);
        check::<PromiseDay>(&[]);
        check::<ValuationRow>(&[]);
    }
}
