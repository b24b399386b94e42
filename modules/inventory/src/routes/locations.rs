//! Locations: places inside a warehouse, what lies there, and moving it.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::ids::{LocationId, LotId, ProductId, RelocationId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::{Code, Name, Note, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::location::PlaceKind;
use crate::service::Service;
use crate::service::references::check_scope;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_locations)
        .service(get_location)
        .service(create_location)
        .service(update_location)
        .service(list_bins)
        .service(relocate_stock);
}

/// A place inside a warehouse.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Location {
    pub id: LocationId,
    pub warehouse_id: WarehouseId,
    /// The place it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parent_id: Option<LocationId>,
    /// Short code, unique in the warehouse.
    #[schema(example = "A-01-03")]
    pub code: String,
    pub name: String,
    #[schema(inline)]
    pub kind: PlaceKind,
    /// Where it comes on the walk of those who pick: the lowest first.
    pub pick_order: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub barcode: Option<String>,
    /// Whether goods still arrive, or are shipped from, there by themselves.
    pub is_active: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Location {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A place to be made. Its warehouse, kind and parent stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLocation {
    pub warehouse_id: WarehouseId,
    #[schema(nullable = false)]
    pub parent_id: Option<LocationId>,
    pub code: Code,
    pub name: Name,
    #[schema(inline)]
    pub kind: PlaceKind,
    #[serde(default)]
    #[schema(default = 0)]
    pub pick_order: u32,
    #[schema(nullable = false)]
    pub barcode: Option<Text<1, 64>>,
}

/// Changes to a location: what is absent stays, null empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocationPatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    #[schema(nullable = false)]
    pub pick_order: Option<u32>,
    #[serde(default, deserialize_with = "nullable")]
    pub barcode: Option<Option<Text<1, 64>>>,
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListLocations {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub warehouse_id: Option<WarehouseId>,
    /// Only parts of this location.
    pub parent_id: Option<LocationId>,
    #[param(inline)]
    pub kind: Option<PlaceKind>,
}

/// What lies in one place of one product and one lot.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Bin {
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    /// Absent: in the warehouse, and nobody said where.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub location_id: Option<LocationId>,
    /// Absent: the product has no lots, or nobody said which.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lot_id: Option<LotId>,
    pub quantity: Quantity,
    /// What of it picking lists hold.
    pub allocated: Quantity,
    /// Whether it can be promised to nobody.
    pub is_blocked: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListBins {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub product_id: Option<ProductId>,
    pub warehouse_id: Option<WarehouseId>,
    pub location_id: Option<LocationId>,
    pub lot_id: Option<LotId>,
}

/// Goods to be moved within a warehouse.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRelocation {
    pub warehouse_id: WarehouseId,
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<NewRelocationLine>,
    #[schema(example = "Put away")]
    pub reason: Note,
    /// Whether promises may be broken, the newest first, where goods go into quarantine.
    #[serde(default)]
    pub break_reservations: bool,
}

/// Goods of one product to be moved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRelocationLine {
    pub product_id: ProductId,
    /// Not said: in the order they would leave in.
    #[schema(nullable = false)]
    pub lot_id: Option<LotId>,
    /// Not said: what nobody said where it lies.
    #[schema(nullable = false)]
    pub from_location_id: Option<LocationId>,
    #[schema(nullable = false)]
    pub to_location_id: Option<LocationId>,
    pub quantity: PositiveQuantity,
}

/// Goods that were moved within a warehouse.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Relocation {
    pub id: RelocationId,
    pub warehouse_id: WarehouseId,
    pub reason: String,
    /// One for each lot.
    pub lines: Vec<RelocationLine>,
    pub created_at: DateTime<Utc>,
}

/// Goods of one lot that were moved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelocationLine {
    pub product_id: ProductId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lot_id: Option<LotId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub from_location_id: Option<LocationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub to_location_id: Option<LocationId>,
    pub quantity: Quantity,
}

/// List locations
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Locations",
    params(ListLocations),
    responses((status = 200, body = Page<Location>)),
    extensions(
        ("x-permission" = json!("inventory.location:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/locations")]
async fn list_locations(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListLocations>,
) -> Result<Reply> {
    let page = service.list_locations(&ctx, query.0).await?;
    Ok(Reply::plain(&page.map(Location::from)))
}

/// Get location
#[utoipa::path(
    tag = "Locations",
    params(("id" = LocationId, Path)),
    responses((status = 200, body = Location)),
    extensions(
        ("x-permission" = json!("inventory.location:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/locations/{id}")]
async fn get_location(ctx: Ctx, service: Data<Service>, id: Path<LocationId>) -> Result<Reply> {
    let location = service.location(*id).await?;
    check_scope(&ctx, [location.warehouse_id], "location", *id)?;
    Ok(Reply::ok(&Location::from(location)))
}

/// Create location
///
/// The first of a warehouse divides it: from then on it is known where in it everything lies,
/// and what is there by then lies where nobody said. A warehouse without locations needs none.
/// - Errors: 409 `location_code_taken`, `location_barcode_taken`, `negative_stock_of_places` where
///   there may be less than nothing in the warehouse; 422 `unknown_warehouse`,
///   `unknown_location` where the parent is not in the warehouse, `other_kind` where it is of
///   another kind.
#[utoipa::path(
    tag = "Locations",
    request_body = NewLocation,
    responses((status = 201, body = Location)),
    extensions(
        ("x-permission" = json!("inventory.location:create")),
        ("x-scope" = json!("warehouse")),
        ("x-errors" = json!([
            "location_code_taken", "location_barcode_taken", "unknown_warehouse",
            "unknown_location", "other_kind", "changed_meanwhile", "negative_stock_of_places"
        ]))
    )
)]
#[post("/locations")]
async fn create_location(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewLocation>,
) -> Result<Reply> {
    service.create_location(&ctx, body.0).await
}

/// Update location
///
/// A JSON merge patch (RFC 7396).
#[utoipa::path(
    tag = "Locations",
    params(("id" = LocationId, Path)),
    request_body(content = LocationPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Location)),
    extensions(
        ("x-permission" = json!("inventory.location:update")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["location_barcode_taken"]))
    )
)]
#[patch("/locations/{id}")]
async fn update_location(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<LocationId>,
    body: Json<LocationPatch>,
) -> Result<Reply> {
    service.update_location(&ctx, *id, body.0).await
}

/// List bins
///
/// What lies where, of which lot. Of products without lots in warehouses without locations
/// there is none: `GET /stock` says it all. Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Locations",
    params(ListBins),
    responses((status = 200, body = Page<Bin>)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/bins")]
async fn list_bins(ctx: Ctx, service: Data<Service>, query: Query<ListBins>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_bins(&ctx, query.0).await?))
}

/// Relocate stock
///
/// Moves goods from one location of a warehouse to another: to put them away, to keep them in
/// quarantine or let them out. What picking lists hold stays where it is.
/// - Errors: 409 `insufficient_stock` where less lies there, or where goods in quarantine are
///   promised and `break_reservations` is not said; 422 `unknown_warehouse`,
///   `unknown_location`, `location_inactive`, `unknown_product`, `nowhere_to_go`, `quantity_too_fine`.
/// - Emits `inventory.reservation.broken` and `inventory.backorder.filled` where what can be
///   promised changes.
#[utoipa::path(
    tag = "Locations",
    request_body = NewRelocation,
    responses((status = 201, body = Relocation)),
    extensions(
        ("x-permission" = json!("inventory.stock:relocate")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "product_is_kit",
            "insufficient_stock", "unknown_warehouse", "unknown_location", "location_inactive",
            "unknown_product",
            "nowhere_to_go", "quantity_too_fine", "no_lines", "too_many_lines"
        ]))
    )
)]
#[post("/relocations")]
async fn relocate_stock(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewRelocation>,
) -> Result<Reply> {
    service.relocate_stock(&ctx, body.0).await
}
