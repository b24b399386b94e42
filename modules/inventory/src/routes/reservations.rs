//! Reservations: stock promised to orders, or set aside by hand.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{OrderId, OrderLineId, ProductId, ReservationId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::page_query;
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::table::{Accept, Tabular};
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::reservation::ReservationStatus;
use crate::service::Service;
use crate::service::references::check_scope;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_reservations)
        .service(get_reservation)
        .service(create_reservation)
        .service(release_reservation);
}

/// Stock set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reservation {
    pub id: ReservationId,
    /// The order it is for; absent where it was made by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_line_id: Option<OrderLineId>,
    /// The kit that the order line is for, of which this is a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub kit_id: Option<ProductId>,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    /// All that was ever reserved.
    pub quantity: Quantity,
    /// What still is.
    pub remaining: Quantity,
    pub status: ReservationStatus,
    /// Absent: until it is shipped or released.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
    /// What can be done with it now.
    #[schema(value_type = Vec<String>, example = json!(["release"]))]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Reservation {
    fn version(&self) -> i64 {
        self.version
    }
}

/// Stock to be set aside; either `expires_at` or `ttl_s` says for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReservation {
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub quantity: PositiveQuantity,
    /// In the future, at most 30 days from now.
    #[schema(nullable = false)]
    pub expires_at: Option<DateTime<Utc>>,
    /// Seconds from now, at most 30 days.
    #[schema(nullable = false, minimum = 1, maximum = 2592000)]
    pub ttl_s: Option<u32>,
    #[schema(example = "For the trade fair")]
    pub note: Note,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListReservations {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub product_id: Option<ProductId>,
    pub warehouse_id: Option<WarehouseId>,
    pub order_id: Option<OrderId>,
    #[param(inline)]
    pub status: Option<ReservationStatus>,
}

page_query!(ListReservations);

impl Tabular for Reservation {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "order_id",
        "order_line_id",
        "kit_id",
        "product_id",
        "warehouse_id",
        "quantity",
        "remaining",
        "status",
        "expires_at",
        "note",
        "version",
        "created_at",
        "updated_at",
    ];
    const LABEL: &'static str = "product_id";
    const SERIES: &'static [&'static str] = &["quantity", "remaining"];
}

/// List reservations
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Reservations",
    params(ListReservations),
    responses((status = 200, body = Page<Reservation>)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-scope" = json!("warehouse")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/reservations")]
async fn list_reservations(
    ctx: Ctx,
    accept: Accept,
    service: Data<Service>,
    query: Query<ListReservations>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let (ctx, service) = (ctx.clone(), service.clone());
            async move { Ok(service.list_reservations(&ctx, query).await?.map(Reservation::from)) }
        })
        .await
}

/// Get reservation
#[utoipa::path(
    tag = "Reservations",
    params(("id" = ReservationId, Path)),
    responses((status = 200, body = Reservation)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/reservations/{id}")]
async fn get_reservation(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ReservationId>,
) -> Result<Reply> {
    let reservation = service.reservation(*id).await?;
    check_scope(&ctx, [reservation.warehouse_id], "reservation", *id)?;
    Ok(Reply::ok(&Reservation::from(reservation)))
}

/// Create reservation
///
/// Sets stock aside by hand, for a while. Orders reserve theirs when they are confirmed.
/// - Errors: 409 `insufficient_stock` with `params.shortages`; 422 `unknown_product`,
///   `unknown_warehouse`, `quantity_too_fine`, `expiry_unclear`, `expiry_out_of_range`.
#[utoipa::path(
    tag = "Reservations",
    request_body = NewReservation,
    responses((status = 201, body = Reservation)),
    extensions(
        ("x-permission" = json!("inventory.stock:reserve")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "product_is_kit",
            "insufficient_stock", "unknown_product", "unknown_warehouse", "quantity_too_fine",
            "expiry_unclear", "expiry_out_of_range"
        ]))
    )
)]
#[post("/reservations")]
async fn create_reservation(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewReservation>,
) -> Result<Reply> {
    service.create_reservation(&ctx, body.0).await
}

/// Release reservation
///
/// Gives back what was set aside by hand. Orders that wait for it get it first.
/// - Errors: 409 `illegal_transition` if it has ended, `reservation_of_order` if it is an
///   order's.
#[utoipa::path(
    tag = "Reservations",
    params(("id" = ReservationId, Path)),
    responses((status = 200, body = Reservation)),
    extensions(
        ("x-permission" = json!("inventory.stock:release")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition", "reservation_of_order"]))
    )
)]
#[post("/reservations/{id}/release")]
async fn release_reservation(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ReservationId>,
) -> Result<Reply> {
    service.release_reservation(&ctx, *id).await
}
