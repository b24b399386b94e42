//! Lots and serial numbers.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{LotId, ProductId, StockMoveId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::{Note, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::lot::LotStatus;
use crate::entities::stock_move::{LocationKind, MoveKind};
use crate::routes::moves::MoveSource;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_lots)
        .service(get_lot)
        .service(update_lot)
        .service(quarantine_lot)
        .service(release_lot)
        .service(recall_lot)
        .service(trace_lot)
        .service(list_move_lots)
        .service(identify_lots);
}

/// A lot, or a single piece with its serial number. It is made by the receipt it comes with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lot {
    pub id: LotId,
    pub product_id: ProductId,
    /// Its number, unique among those of the product.
    #[schema(example = "L-2026-04")]
    pub number: String,
    /// The last day it can be promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_on: Option<NaiveDate>,
    #[schema(inline)]
    pub status: LotStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Lot {
    fn version(&self) -> i64 {
        self.version
    }
}

/// What comes of one lot, or one serial number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLotQuantity {
    pub number: Text<1, 64>,
    /// Of a serial number always 1.
    pub quantity: PositiveQuantity,
    /// Of a lot there is already, the same or not said.
    #[schema(nullable = false)]
    pub expires_on: Option<NaiveDate>,
}

/// So much of a lot there is, or one serial number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedLot {
    pub number: Text<1, 64>,
    /// Of a serial number always 1.
    pub quantity: PositiveQuantity,
}

/// What a move brought or took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoveLots {
    pub lots: Vec<LotQuantity>,
}

/// What a move brought or took of a lot.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LotQuantity {
    /// Absent: of no known lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lot_id: Option<LotId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub number: Option<String>,
    /// Below zero: what it took.
    pub quantity: Quantity,
}

/// Of which lots goods are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifyLots {
    #[schema(min_items = 1, max_items = 1000)]
    pub lots: Vec<NewLotQuantity>,
}

/// Changes to a lot: what is absent stays, null empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LotPatch {
    #[serde(default, deserialize_with = "nullable")]
    pub expires_on: Option<Option<NaiveDate>>,
    #[serde(default, deserialize_with = "nullable")]
    pub note: Option<Option<Note>>,
    /// Whether promises may be broken, the newest first, where the lot is expired now.
    #[serde(default)]
    pub break_reservations: bool,
}

/// Why a lot can be promised or not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockLot {
    #[schema(example = "Supplier's notice")]
    pub reason: Note,
    /// Whether promises may be broken, the newest first.
    #[serde(default)]
    pub break_reservations: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListLots {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub product_id: Option<ProductId>,
    /// Only those with this number.
    #[param(inline)]
    pub number: Option<Text<1, 64>>,
    #[param(inline)]
    pub status: Option<LotStatus>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TraceLot {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
}

/// A move of a lot.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TraceStep {
    pub move_id: StockMoveId,
    #[schema(inline)]
    pub kind: MoveKind,
    #[schema(inline)]
    pub from: LocationKind,
    #[schema(inline)]
    pub to: LocationKind,
    pub warehouse_id: WarehouseId,
    pub quantity: Quantity,
    pub moved_on: NaiveDate,
    /// The receipt it came by, the shipment it left by.
    pub source: MoveSource,
    /// The line of the purchase order, or of the order.
    pub source_line_id: Uuid,
}

/// List lots
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Lots",
    params(ListLots),
    responses((status = 200, body = Page<Lot>)),
    extensions(("x-permission" = json!("inventory.lot:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/lots")]
async fn list_lots(service: Data<Service>, query: Query<ListLots>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_lots(query.0).await?.map(Lot::from)))
}

/// Get lot
#[utoipa::path(
    tag = "Lots",
    params(("id" = LotId, Path)),
    responses((status = 200, body = Lot)),
    extensions(("x-permission" = json!("inventory.lot:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/lots/{id}")]
async fn get_lot(service: Data<Service>, id: Path<LotId>) -> Result<Reply> {
    Ok(Reply::ok(&Lot::from(service.lot(*id).await?)))
}

/// Update lot
///
/// A JSON merge patch (RFC 7396). A lot whose date is moved expires, or is active again.
/// - Errors: 409 `insufficient_stock` where it is promised and `break_reservations` is not said.
#[utoipa::path(
    tag = "Lots",
    params(("id" = LotId, Path)),
    request_body(content = LotPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Lot)),
    extensions(
        ("x-permission" = json!("inventory.lot:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["insufficient_stock", "changed_meanwhile"]))
    )
)]
#[patch("/lots/{id}")]
async fn update_lot(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<LotId>,
    body: Json<LotPatch>,
) -> Result<Reply> {
    service.update_lot(&ctx, *id, body.0).await
}

/// Quarantine lot
///
/// Nothing more of it is promised until it is released. Picking lists lose what they hold of it.
/// - Errors: 409 `lot_transition` where it is not active; `insufficient_stock` where it is
///   promised and `break_reservations` is not said.
/// - Emits `inventory.reservation.broken` for each order whose promise is broken.
#[utoipa::path(
    tag = "Lots",
    params(("id" = LotId, Path)),
    request_body = BlockLot,
    responses((status = 200, body = Lot)),
    extensions(
        ("x-permission" = json!("inventory.lot:block")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["lot_transition", "insufficient_stock", "changed_meanwhile"]))
    )
)]
#[post("/lots/{id}/quarantine")]
async fn quarantine_lot(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<LotId>,
    body: Json<BlockLot>,
) -> Result<Reply> {
    service.move_lot(&ctx, *id, LotStatus::Quarantined, body.0).await
}

/// Release lot
///
/// A lot in quarantine can be promised again. Orders that wait for it get it first.
/// - Errors: 409 `lot_transition` where it is not in quarantine.
#[utoipa::path(
    tag = "Lots",
    params(("id" = LotId, Path)),
    request_body = BlockLot,
    responses((status = 200, body = Lot)),
    extensions(
        ("x-permission" = json!("inventory.lot:block")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["lot_transition", "changed_meanwhile"]))
    )
)]
#[post("/lots/{id}/release")]
async fn release_lot(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<LotId>,
    body: Json<BlockLot>,
) -> Result<Reply> {
    service.move_lot(&ctx, *id, LotStatus::Active, body.0).await
}

/// Recall lot
///
/// It is never promised again; its trace says who has it.
/// - Errors: 409 `lot_transition` where it is recalled already; `insufficient_stock` where it
///   is promised and `break_reservations` is not said.
/// - Emits `inventory.reservation.broken` for each order whose promise is broken.
#[utoipa::path(
    tag = "Lots",
    params(("id" = LotId, Path)),
    request_body = BlockLot,
    responses((status = 200, body = Lot)),
    extensions(
        ("x-permission" = json!("inventory.lot:block")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["lot_transition", "insufficient_stock", "changed_meanwhile"]))
    )
)]
#[post("/lots/{id}/recall")]
async fn recall_lot(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<LotId>,
    body: Json<BlockLot>,
) -> Result<Reply> {
    service.move_lot(&ctx, *id, LotStatus::Recalled, body.0).await
}

/// Trace lot
///
/// Every move of the lot, oldest first: the receipts it came by, which purchasing knows the
/// suppliers of, and the shipments it left by, which orders knows the customers of. Where it is
/// now, `GET /bins?lot_id=` says; the other way round, `GET /moves/{id}/lots` says what a move
/// was of.
#[utoipa::path(
    tag = "Lots",
    params(("id" = LotId, Path), TraceLot),
    responses((status = 200, body = Page<TraceStep>)),
    extensions(("x-permission" = json!("inventory.lot:read")))
)]
#[get("/lots/{id}/trace")]
async fn trace_lot(
    service: Data<Service>,
    id: Path<LotId>,
    query: Query<TraceLot>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.trace_lot(*id, query.0).await?))
}

/// List lots of a move
///
/// What the move brought or took of each lot; empty where the product has no lots.
#[utoipa::path(
    tag = "Lots",
    params(("id" = StockMoveId, Path)),
    responses((status = 200, body = MoveLots)),
    extensions(("x-permission" = json!("inventory.lot:read")))
)]
#[get("/moves/{id}/lots")]
async fn list_move_lots(service: Data<Service>, id: Path<StockMoveId>) -> Result<Reply> {
    Ok(Reply::plain(&service.move_lots(*id).await?))
}

/// Identify lots of a move
///
/// Says of which lots, or with which serial numbers, goods are that came without: those of a
/// purchase order, of a return, or found by a count. Until then they are promised to nobody.
/// Orders that wait for them get them first.
/// - Errors: 409 `nothing_to_identify` where less came without, `serial_on_hand`,
///   `insufficient_stock` where it is gone; 422 `serial_of_many`, `duplicate_serial`,
///   `lot_differs` where the lot has another date, `unknown_lot` where a serial number comes
///   back that was not sent for the order line.
#[utoipa::path(
    tag = "Lots",
    params(("id" = StockMoveId, Path)),
    request_body = IdentifyLots,
    responses((status = 200, body = MoveLots)),
    extensions(
        ("x-permission" = json!("inventory.stock:receive")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "nothing_to_identify", "serial_on_hand", "insufficient_stock", "serial_of_many",
            "duplicate_serial", "lot_differs", "unknown_lot", "quantity_too_fine",
            "changed_meanwhile"
        ]))
    )
)]
#[post("/moves/{id}/lots")]
async fn identify_lots(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockMoveId>,
    body: Json<IdentifyLots>,
) -> Result<Reply> {
    service.identify_lots(&ctx, *id, body.0).await
}
