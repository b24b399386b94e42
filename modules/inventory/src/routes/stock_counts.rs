//! Stock counts: a list of products, what was found of them, and the books made to say so.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{LotId, ProductId, StockCountId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::money::UnitPrice;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::Quantity;
use kernel::text::{Note, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::stock_count::CountStatus;
use crate::service::Service;
use crate::service::references::check_scope;
use crate::service::stock_counts::present;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_stock_counts)
        .service(get_stock_count)
        .service(list_stock_count_lines)
        .service(create_stock_count)
        .service(record_counts)
        .service(submit_stock_count)
        .service(reopen_stock_count)
        .service(approve_stock_count)
        .service(cancel_stock_count);
}

/// A stock count.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockCount {
    pub id: StockCountId,
    pub warehouse_id: WarehouseId,
    #[schema(inline)]
    pub status: CountStatus,
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
    /// Whether what the books say is hidden from those who count.
    pub is_blind: bool,
    /// What differs by more has to be counted twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tolerance_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
    /// Products on the list, and how many of them are counted.
    pub lines: i64,
    pub counted: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub submitted_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub approved_by: Option<Uuid>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for StockCount {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A product on the list of a count.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockCountLine {
    pub product_id: ProductId,
    /// What was found the last time; absent until it is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub counted: Option<Quantity>,
    /// How often it was counted.
    pub counts: i64,
    /// What the books said at that time; absent while a blind count goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub book: Option<Quantity>,
    /// What is to be posted: `counted` less `book`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub variance: Option<Quantity>,
    /// What a unit costs, where it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unit_cost: Option<UnitPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub counted_at: Option<DateTime<Utc>>,
    /// What was found of each lot or serial number, if it was counted by them, and what there was
    /// by the books and nobody found; only what was found while a blind count goes on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<StockCountLot>,
}

/// What a count found of a lot, or of a serial number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockCountLot {
    /// Absent: of no known lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lot_id: Option<LotId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_on: Option<NaiveDate>,
    pub counted: Quantity,
    /// What the books said of it at that time; absent while a blind count goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub book: Option<Quantity>,
    /// What is to be posted: `counted` less `book`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub variance: Option<Quantity>,
}

/// A count to be begun.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStockCount {
    pub warehouse_id: WarehouseId,
    /// What to count; not said: everything the warehouse ever had, 5000 products at most.
    #[schema(nullable = false, min_items = 1, max_items = 5000)]
    pub product_ids: Option<Vec<ProductId>>,
    /// Whether what the books say is hidden from those who count.
    #[serde(default)]
    pub is_blind: bool,
    /// What differs from the books by more than this has to be counted twice.
    #[schema(nullable = false, maximum = 100)]
    pub tolerance_percent: Option<u8>,
    #[schema(nullable = false)]
    pub note: Option<Note>,
}

/// What was counted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordCounts {
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<CountedLine>,
}

/// What there is of one product.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountedLine {
    pub product_id: ProductId,
    /// Zero or more.
    pub quantity: Quantity,
    /// What a unit costs, for what is found though nothing should be there.
    #[schema(nullable = false)]
    pub unit_cost: Option<UnitPrice>,
    /// What there is of each lot, or which serial numbers there are, where the product has some:
    /// together `quantity`. Of what is not named there is nothing. Not said: what differs is taken
    /// from whichever lots, or is of no known one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub lots: Vec<CountedLot>,
}

/// What there is of a lot, or whether a serial number is there.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountedLot {
    /// One that nobody knew of is made.
    pub number: Text<1, 64>,
    /// Zero or more; of a serial number 0 or 1.
    pub quantity: Quantity,
    /// Of a lot there is already, the same or not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_on: Option<NaiveDate>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListStockCounts {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub warehouse_id: Option<WarehouseId>,
    #[param(inline)]
    pub status: Option<CountStatus>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListStockCountLines {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only what is counted, or only what is not.
    pub is_counted: Option<bool>,
}

/// List stock counts
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Stock counts",
    params(ListStockCounts),
    responses((status = 200, body = Page<StockCount>)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/stock-counts")]
async fn list_stock_counts(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListStockCounts>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_stock_counts(&ctx, query.0).await?))
}

/// Get stock count
#[utoipa::path(
    tag = "Stock counts",
    params(("id" = StockCountId, Path)),
    responses((status = 200, body = StockCount)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/stock-counts/{id}")]
async fn get_stock_count(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockCountId>,
) -> Result<Reply> {
    let count = service.stock_count(*id).await?;
    check_scope(&ctx, [count.warehouse_id], "stock count", *id)?;
    Ok(Reply::ok(&present(service.db.read(), count).await?))
}

/// List lines of stock count
#[utoipa::path(
    tag = "Stock counts",
    params(("id" = StockCountId, Path), ListStockCountLines),
    responses((status = 200, body = Page<StockCountLine>)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/stock-counts/{id}/lines")]
async fn list_stock_count_lines(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockCountId>,
    query: Query<ListStockCountLines>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.stock_count_lines(&ctx, *id, query.0).await?))
}

/// Create stock count
///
/// Draws up the list of what is to be counted. Stock goes on moving meanwhile.
/// - Errors: 422 `unknown_warehouse`, `unknown_product`, `no_lines`, `too_many_lines`,
///   `invalid_tolerance`.
#[utoipa::path(
    tag = "Stock counts",
    request_body = NewStockCount,
    responses((status = 201, body = StockCount)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:create")),
        ("x-scope" = json!("warehouse")),
        ("x-errors" = json!([
            "product_is_kit",
            "unknown_warehouse", "unknown_product", "no_lines", "too_many_lines",
            "invalid_tolerance"
        ]))
    )
)]
#[post("/stock-counts")]
async fn create_stock_count(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewStockCount>,
) -> Result<Reply> {
    service.create_stock_count(&ctx, body.0).await
}

/// Record counts
///
/// Writes down what is there, beside what the books say at this moment. Whoever counts a
/// product again replaces what was counted before, its lots too.
/// - Errors: 409 `illegal_transition` unless it is `counting`, `changed_meanwhile` if somebody
///   else has made one of the lots; 422 `unknown_product`, `not_on_list`, `duplicate_line`,
///   `quantity_negative`, `quantity_too_fine`, `no_lines`, `too_many_lines`; of lots
///   `lots_not_tracked`, `lots_do_not_add_up`, `serial_of_many`, `duplicate_serial`,
///   `duplicate_lot`, `lot_differs`, `date_out_of_range`, and `unknown_lot` for nothing of a lot
///   nobody knows.
#[utoipa::path(
    tag = "Stock counts",
    params(("id" = StockCountId, Path)),
    request_body = RecordCounts,
    responses((status = 200, body = StockCount)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:record")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "product_is_kit",
            "illegal_transition", "unknown_product", "not_on_list", "duplicate_line",
            "quantity_negative", "quantity_too_fine", "no_lines", "too_many_lines",
            "lots_not_tracked", "lots_do_not_add_up", "serial_of_many", "duplicate_serial",
            "duplicate_lot", "unknown_lot", "lot_differs", "date_out_of_range",
            "changed_meanwhile"
        ]))
    )
)]
#[post("/stock-counts/{id}/record")]
async fn record_counts(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockCountId>,
    body: Json<RecordCounts>,
) -> Result<Reply> {
    service.record_counts(&ctx, *id, body.0).await
}

/// Submit stock count
///
/// Of lots, what is less of some and more of others is no less beyond the tolerance.
/// - Errors: 409 `count_incomplete` while something on the list is not counted,
///   `recount_required` while something beyond the tolerance is counted once (its
///   `params.product_ids`, 100 at most), `illegal_transition`.
#[utoipa::path(
    tag = "Stock counts",
    params(("id" = StockCountId, Path)),
    responses((status = 200, body = StockCount)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:record")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["count_incomplete", "recount_required", "illegal_transition"]))
    )
)]
#[post("/stock-counts/{id}/submit")]
async fn submit_stock_count(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockCountId>,
) -> Result<Reply> {
    service.step_stock_count(&ctx, *id, "submit").await
}

/// Reopen stock count
///
/// Sends it back to be counted again.
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Stock counts",
    params(("id" = StockCountId, Path)),
    responses((status = 200, body = StockCount)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:approve")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/stock-counts/{id}/reopen")]
async fn reopen_stock_count(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockCountId>,
) -> Result<Reply> {
    service.step_stock_count(&ctx, *id, "reopen").await
}

/// Approve stock count
///
/// Posts what was counted less what the books said at that time, so that what has moved since
/// stays moved. If more is gone than is available, promises are broken, the newest first. What is
/// less of one lot and more of another leaves and comes back at the same value; picking lists
/// give up what they hold of a lot that is gone.
/// - Errors: 409 `own_request` for who submitted it or counted, `count_outdated` if more has left since
///   than was counted, `serial_on_hand` for a serial number that is somewhere else by the books or
///   that a customer has, `illegal_transition`; 422 `unit_cost_required` for what was found of a
///   product of which nothing is on hand, `amount_overflow`.
/// - Emits `inventory.stock.adjusted` for each product that differs,
///   `inventory.reservation.broken` for each order whose goods are gone and
///   `inventory.backorder.filled` for each that gets what was found.
#[utoipa::path(
    tag = "Stock counts",
    params(("id" = StockCountId, Path)),
    responses((status = 200, body = StockCount)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:approve")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!([
            "own_request", "count_outdated", "serial_on_hand", "illegal_transition",
            "unit_cost_required", "amount_overflow"
        ]))
    )
)]
#[post("/stock-counts/{id}/approve")]
async fn approve_stock_count(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockCountId>,
) -> Result<Reply> {
    service.approve_stock_count(&ctx, *id).await
}

/// Cancel stock count
///
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Stock counts",
    params(("id" = StockCountId, Path)),
    responses((status = 200, body = StockCount)),
    extensions(
        ("x-permission" = json!("inventory.stock_count:create")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/stock-counts/{id}/cancel")]
async fn cancel_stock_count(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockCountId>,
) -> Result<Reply> {
    service.step_stock_count(&ctx, *id, "cancel").await
}
