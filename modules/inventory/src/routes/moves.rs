//! Stock moves: the ledger of everything that ever came or went.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{ProductId, StockMoveId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::money::{Money, UnitPrice};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::page_query;
use kernel::quantity::Quantity;
use kernel::table::{Accept, Tabular};
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::routes::adjustment_requests::AdjustmentRequest;
use crate::service::Service;
use crate::service::references::check_scope;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_stock_moves)
        .service(get_stock_move)
        .service(reverse_stock_move)
        .service(request_reversal);
}

/// Goods that went from one place to another. It never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockMove {
    pub id: StockMoveId,
    pub kind: MoveKind,
    pub product_id: ProductId,
    pub from_location: Location,
    pub to_location: Location,
    /// Always above zero: the direction is in the places.
    pub quantity: Quantity,
    /// What a unit was said to cost, where somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unit_cost: Option<UnitPrice>,
    /// What the goods cost.
    pub value: Money,
    pub moved_on: NaiveDate,
    pub source: MoveSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// The reason of the company's own list, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason_code: Option<String>,
    /// The move this one takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reverses_id: Option<StockMoveId>,
    pub created_at: DateTime<Utc>,
}

/// A place.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Location {
    #[serde(rename = "type")]
    pub kind: LocationKind,
    /// Which warehouse, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warehouse_id: Option<WarehouseId>,
}

/// What a move was posted for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoveSource {
    #[serde(rename = "type")]
    pub kind: MoveSourceType,
    pub id: Uuid,
}

/// Why a move is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReverseStockMove {
    pub reason: Note,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListStockMoves {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub product_id: Option<ProductId>,
    /// Only moves from or to this warehouse.
    pub warehouse_id: Option<WarehouseId>,
    #[param(inline)]
    pub kind: Option<MoveKind>,
    /// Only moves of this receipt, shipment, return or adjustment.
    pub source_id: Option<Uuid>,
}

page_query!(ListStockMoves);

impl Tabular for StockMove {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "kind",
        "product_id",
        "from_location.kind",
        "from_location.warehouse_id",
        "to_location.kind",
        "to_location.warehouse_id",
        "quantity",
        "unit_cost",
        "value.amount",
        "value.currency",
        "moved_on",
        "source.type",
        "source.id",
        "reason",
        "reason_code",
        "reverses_id",
        "created_at",
    ];
    const LABEL: &'static str = "moved_on";
    const SERIES: &'static [&'static str] = &["quantity", "value.amount"];
}

/// List stock moves
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Stock moves",
    params(ListStockMoves),
    responses((status = 200, body = Page<StockMove>)),
    extensions(
        ("x-permission" = json!("inventory.move:read")),
        ("x-scope" = json!("warehouse")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/moves")]
async fn list_stock_moves(
    ctx: Ctx,
    accept: Accept,
    service: Data<Service>,
    query: Query<ListStockMoves>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let (ctx, service) = (ctx.clone(), service.clone());
            async move { Ok(service.list_stock_moves(&ctx, query).await?.map(StockMove::from)) }
        })
        .await
}

/// Get stock move
#[utoipa::path(
    tag = "Stock moves",
    params(("id" = StockMoveId, Path)),
    responses((status = 200, body = StockMove)),
    extensions(
        ("x-permission" = json!("inventory.move:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/moves/{id}")]
async fn get_stock_move(ctx: Ctx, service: Data<Service>, id: Path<StockMoveId>) -> Result<Reply> {
    let found = service.stock_move(*id).await?;
    check_scope(&ctx, found.warehouse_id, "stock move", *id)?;
    Ok(Reply::plain(&StockMove::from(found)))
}

/// Reverse stock move
///
/// Posts the mirror of a receipt or adjustment made here, at its value. What was posted
/// for another document (a shipment, a return, a purchase) is corrected there.
/// - Errors: 409 `not_reversible`, `already_reversed`, `insufficient_stock` if the goods are
///   promised or gone, `value_moved` if they are worth something else by now,
///   `approval_required` if they are worth more than the reason of the move allows, or the
///   lowest limit there is where it had none: ask for it with `request_reversal`.
/// - Emits `inventory.stock.adjusted`.
#[utoipa::path(
    tag = "Stock moves",
    params(("id" = StockMoveId, Path)),
    request_body = ReverseStockMove,
    responses((status = 201, body = StockMove)),
    extensions(
        ("x-permission" = json!("inventory.move:reverse")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "not_reversible", "already_reversed", "insufficient_stock", "value_moved",
            "amount_overflow", "approval_required"
        ]))
    )
)]
#[post("/moves/{id}/reverse")]
async fn reverse_stock_move(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockMoveId>,
    body: Json<ReverseStockMove>,
) -> Result<Reply> {
    service.reverse_move(&ctx, *id, body.0).await
}

/// Request reversal
///
/// Asks somebody else to approve that a move is taken back, as `approve_adjustment` and
/// `reject_adjustment` decide. Nothing moves until they do.
/// - Errors: 409 `not_reversible`, `already_reversed`.
#[utoipa::path(
    tag = "Stock moves",
    params(("id" = StockMoveId, Path)),
    request_body = ReverseStockMove,
    responses((status = 201, body = AdjustmentRequest)),
    extensions(
        ("x-permission" = json!("inventory.move:reverse")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!(["not_reversible", "already_reversed"]))
    )
)]
#[post("/moves/{id}/reversal-requests")]
async fn request_reversal(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<StockMoveId>,
    body: Json<ReverseStockMove>,
) -> Result<Reply> {
    service.request_reversal(&ctx, *id, body.0).await
}
