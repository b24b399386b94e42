//! Picking lists: what is to be taken from where, for one order or a wave of them.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{
    LocationId, LotId, OrderId, OrderLineId, PickingListId, ProductId, WarehouseId,
};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::picking_list::PickingStatus;
use crate::routes::lots::NamedLot;
use crate::service::Service;
use crate::service::references::check_scope;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_picking_lists)
        .service(get_picking_list)
        .service(create_picking_list)
        .service(pick_lines)
        .service(cancel_picking_list);
}

/// A picking list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PickingList {
    pub id: PickingListId,
    pub warehouse_id: WarehouseId,
    #[schema(inline)]
    pub status: PickingStatus,
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
    /// In the order of the walk.
    pub lines: Vec<PickingLine>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for PickingList {
    fn version(&self) -> i64 {
        self.version
    }
}

/// What is to be taken from one place for one order line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PickingLine {
    pub position: i64,
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    /// The kit that the order line is for, of which this is a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub kit_id: Option<ProductId>,
    pub product_id: ProductId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub location_id: Option<LocationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lot_id: Option<LotId>,
    pub quantity: Quantity,
    /// What was taken; absent until somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub picked: Option<Quantity>,
}

/// A list to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPickingList {
    pub warehouse_id: WarehouseId,
    /// Confirmed orders.
    #[schema(min_items = 1, max_items = 100)]
    pub order_ids: Vec<OrderId>,
}

/// What was taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PickLines {
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<PickedLine>,
}

/// What was taken for one line; less than listed where there was no more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PickedLine {
    pub position: u32,
    pub picked: Quantity,
    /// Of which lots it is, or which serial numbers: they add up to `picked`. Not said: of the one
    /// that is listed.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub lots: Vec<NamedLot>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPickingLists {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub warehouse_id: Option<WarehouseId>,
    #[param(inline)]
    pub status: Option<PickingStatus>,
}

/// List picking lists
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Picking lists",
    params(ListPickingLists),
    responses((status = 200, body = Page<PickingList>)),
    extensions(
        ("x-permission" = json!("inventory.picking_list:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/picking-lists")]
async fn list_picking_lists(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListPickingLists>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_picking_lists(&ctx, query.0).await?))
}

/// Get picking list
#[utoipa::path(
    tag = "Picking lists",
    params(("id" = PickingListId, Path)),
    responses((status = 200, body = PickingList)),
    extensions(
        ("x-permission" = json!("inventory.picking_list:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/picking-lists/{id}")]
async fn get_picking_list(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PickingListId>,
) -> Result<Reply> {
    let list = service.picking_list(*id).await?;
    check_scope(&ctx, [list.warehouse_id], "picking list", *id)?;
    Ok(Reply::ok(&list))
}

/// Create picking list
///
/// Chooses, for what the orders have reserved in the warehouse and no other list has, from
/// where and of which lot it is taken: what expires first, or what came first, as the product
/// wants it, and then in the order of the walk. What is listed is held for its order.
/// - Errors: 409 `nothing_to_pick`; 422 `unknown_warehouse`.
#[utoipa::path(
    tag = "Picking lists",
    request_body = NewPickingList,
    responses((status = 201, body = PickingList)),
    extensions(
        ("x-permission" = json!("inventory.picking_list:create")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "nothing_to_pick", "unknown_warehouse", "no_lines", "too_many_lines"
        ]))
    )
)]
#[post("/picking-lists")]
async fn create_picking_list(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewPickingList>,
) -> Result<Reply> {
    service.create_picking_list(&ctx, body.0).await
}

/// Pick lines
///
/// Notes what was taken. It lies at the output of the warehouse then, if it has one, and leaves
/// with the shipment of its order. What was not there is held no longer; a new list looks for
/// it elsewhere, a count or an adjustment says that it is gone. A line says of which lots or serial
/// numbers it is if they are not the one listed: the line is of what was taken then, and what is of
/// further lots is a line of its own, at the end.
/// - Errors: 409 `picking_over`, `lot_blocked`, `insufficient_lot` where less of a lot is free; 422
///   `not_on_list` where the line is picked or not there, `more_than_listed`, `quantity_negative`,
///   `unknown_lot`, `lots_not_tracked`, `lots_do_not_add_up`, `serial_of_many`,
///   `duplicate_serial`, `quantity_too_fine`.
#[utoipa::path(
    tag = "Picking lists",
    params(("id" = PickingListId, Path)),
    request_body = PickLines,
    responses((status = 200, body = PickingList)),
    extensions(
        ("x-permission" = json!("inventory.picking_list:update")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "picking_over", "not_on_list", "more_than_listed", "quantity_negative", "no_lines",
            "too_many_lines", "unknown_lot", "lot_blocked", "insufficient_lot",
            "lots_not_tracked", "lots_do_not_add_up", "serial_of_many", "duplicate_serial",
            "quantity_too_fine"
        ]))
    )
)]
#[post("/picking-lists/{id}/pick")]
async fn pick_lines(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PickingListId>,
    body: Json<PickLines>,
) -> Result<Reply> {
    service.pick_lines(&ctx, *id, body.0).await
}

/// Cancel picking list
///
/// Gives up what is not picked yet. What is picked stays with its order until it is shipped.
/// - Errors: 409 `picking_over`.
#[utoipa::path(
    tag = "Picking lists",
    params(("id" = PickingListId, Path)),
    responses((status = 200, body = PickingList)),
    extensions(
        ("x-permission" = json!("inventory.picking_list:update")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["picking_over"]))
    )
)]
#[post("/picking-lists/{id}/cancel")]
async fn cancel_picking_list(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PickingListId>,
) -> Result<Reply> {
    service.cancel_picking_list(&ctx, *id).await
}
