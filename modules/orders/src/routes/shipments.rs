//! Shipments: goods packed for a customer, and then on their way.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{OrderId, OrderLineId, ProductId, ShipmentId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::Text;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::shipment::ShipmentStatus;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_order_shipments)
        .service(create_shipment)
        .service(list_shipments)
        .service(get_shipment)
        .service(update_shipment)
        .service(ship_shipment)
        .service(deliver_shipment)
        .service(cancel_shipment);
}

/// Who carries a shipment, or how it is tracked.
pub(crate) type Carrier = Text<1, 100>;

/// A shipment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Shipment {
    pub id: ShipmentId,
    #[schema(example = "SH-2026-000042")]
    pub number: String,
    pub order_id: OrderId,
    pub status: ShipmentStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// The day its goods left, for the books.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipped_on: Option<NaiveDate>,
    pub lines: Vec<ShipmentLine>,
    /// What can be asked of it now.
    #[schema(value_type = Vec<String>, example = json!(["ship", "cancel"]))]
    pub allowed_actions: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipped_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Shipment {
    fn version(&self) -> i64 {
        self.version
    }
}

/// How much of an order line is in a shipment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ShipmentLine {
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub name: String,
    #[schema(example = "pcs")]
    pub unit: String,
    pub quantity: Quantity,
}

/// Goods to be packed.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShipment {
    /// Everything reserved and not yet packed where absent.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Option<Vec<NewShipmentLine>>,
    pub carrier: Option<Carrier>,
    pub tracking_number: Option<Carrier>,
    /// The day the goods leave, for the books; the day of `ship` where absent.
    pub shipped_on: Option<NaiveDate>,
}

/// How much of an order line to pack.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShipmentLine {
    pub order_line_id: OrderLineId,
    pub quantity: PositiveQuantity,
}

/// Changes to a shipment: what is absent stays, null empties.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShipmentPatch {
    #[serde(default, deserialize_with = "nullable")]
    pub carrier: Option<Option<Carrier>>,
    #[serde(default, deserialize_with = "nullable")]
    pub tracking_number: Option<Option<Carrier>>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListOrderShipments {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListShipments {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub order_id: Option<OrderId>,
    pub status: Option<ShipmentStatus>,
}

/// List shipments of an order
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Shipments",
    params(("id" = OrderId, Path), ListOrderShipments),
    responses((status = 200, body = Page<Shipment>)),
    extensions(("x-permission" = json!("orders.shipment:read")))
)]
#[get("/orders/{id}/shipments")]
async fn list_order_shipments(
    service: Data<Service>,
    id: Path<OrderId>,
    query: Query<ListOrderShipments>,
) -> Result<Reply> {
    let ListOrderShipments { limit, cursor, sort } = query.0;
    service.check_order_exists(*id).await?;
    let query = ListShipments { limit, cursor, sort, order_id: Some(*id), status: None };
    Ok(Reply::plain(&service.list_shipments(query).await?))
}

/// Create shipment
///
/// Packs reserved goods of a confirmed order. They are claimed by this shipment until it
/// leaves or is cancelled, so that no other can take them.
/// - Errors: 409 `illegal_transition` where the order is not confirmed, `nothing_to_ship`,
///   `not_enough_reserved` with `params.lines[{order_line_id, asked, available}]`; 422
///   `unknown_order_line`, `duplicate_line`, `quantity_too_fine`, `no_lines`,
///   `too_many_lines`, `date_in_future`, `date_out_of_range` also before the order's
///   own date.
#[utoipa::path(
    tag = "Shipments",
    params(("id" = OrderId, Path)),
    request_body = NewShipment,
    responses((status = 201, body = Shipment)),
    extensions(
        ("x-permission" = json!("orders.shipment:create")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "illegal_transition", "nothing_to_ship", "not_enough_reserved",
            "unknown_order_line", "duplicate_line", "quantity_too_fine", "no_lines",
            "too_many_lines", "date_in_future", "date_out_of_range"
        ]))
    )
)]
#[post("/orders/{id}/shipments")]
async fn create_shipment(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<OrderId>,
    body: Json<NewShipment>,
) -> Result<Reply> {
    service.create_shipment(&ctx, *id, body.0).await
}

/// List shipments
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Shipments",
    params(ListShipments),
    responses((status = 200, body = Page<Shipment>)),
    extensions(("x-permission" = json!("orders.shipment:read")))
)]
#[get("/shipments")]
async fn list_shipments(service: Data<Service>, query: Query<ListShipments>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_shipments(query.0).await?))
}

/// Get shipment
#[utoipa::path(
    tag = "Shipments",
    params(("id" = ShipmentId, Path)),
    responses((status = 200, body = Shipment)),
    extensions(("x-permission" = json!("orders.shipment:read")))
)]
#[get("/shipments/{id}")]
async fn get_shipment(service: Data<Service>, id: Path<ShipmentId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.shipment(*id).await?));
    service.db.cached("shipment", id.uuid(), read).await
}

/// Update shipment
///
/// A JSON merge patch (RFC 7396) of carrier and tracking, while the goods are packed or on
/// their way.
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Shipments",
    params(("id" = ShipmentId, Path)),
    request_body(content = ShipmentPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Shipment)),
    extensions(
        ("x-permission" = json!("orders.shipment:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[patch("/shipments/{id}")]
async fn update_shipment(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ShipmentId>,
    body: Json<ShipmentPatch>,
) -> Result<Reply> {
    service.update_shipment(&ctx, *id, body.0).await
}

/// Ship shipment
///
/// The goods leave. Their order completes by itself once every line of it is shipped or
/// cancelled.
/// - Errors: 409 `illegal_transition`.
/// - Emits `orders.shipment.shipped`: inventory issues the stock, billing drafts the invoice.
#[utoipa::path(
    tag = "Shipments",
    params(("id" = ShipmentId, Path)),
    responses((status = 200, body = Shipment)),
    extensions(
        ("x-permission" = json!("orders.shipment:ship")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/shipments/{id}/ship")]
async fn ship_shipment(ctx: Ctx, service: Data<Service>, id: Path<ShipmentId>) -> Result<Reply> {
    service.ship_shipment(&ctx, *id).await
}

/// Deliver shipment
///
/// The goods have arrived.
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Shipments",
    params(("id" = ShipmentId, Path)),
    responses((status = 200, body = Shipment)),
    extensions(
        ("x-permission" = json!("orders.shipment:deliver")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/shipments/{id}/deliver")]
async fn deliver_shipment(ctx: Ctx, service: Data<Service>, id: Path<ShipmentId>) -> Result<Reply> {
    service.deliver_shipment(&ctx, *id).await
}

/// Cancel shipment
///
/// Unpacks the goods; they stay reserved for the order.
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Shipments",
    params(("id" = ShipmentId, Path)),
    responses((status = 200, body = Shipment)),
    extensions(
        ("x-permission" = json!("orders.shipment:cancel")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/shipments/{id}/cancel")]
async fn cancel_shipment(ctx: Ctx, service: Data<Service>, id: Path<ShipmentId>) -> Result<Reply> {
    service.cancel_shipment(&ctx, *id).await
}
