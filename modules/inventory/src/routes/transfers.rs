//! Transfers from one warehouse to another.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{ProductId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::transfer::TransferStatus;
use crate::routes::lots::NamedLot;
use crate::service::Service;
use crate::service::references::check_scope;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_transfers)
        .service(get_transfer)
        .service(ship_transfer)
        .service(receive_transfer);
}

/// Goods on their way from one warehouse to another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Transfer {
    pub id: Uuid,
    pub from_warehouse_id: WarehouseId,
    pub to_warehouse_id: WarehouseId,
    #[schema(inline)]
    pub status: TransferStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
    pub lines: Vec<TransferLine>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Transfer {
    fn version(&self) -> i64 {
        self.version
    }
}

/// One product of a transfer. What of it is neither received nor lost is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransferLine {
    pub product_id: ProductId,
    pub shipped: Quantity,
    pub received: Quantity,
    pub lost: Quantity,
    /// What the goods that are on their way cost.
    pub value_in_transit: Money,
}

/// Goods to be sent to another warehouse.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransfer {
    pub from_warehouse_id: WarehouseId,
    pub to_warehouse_id: WarehouseId,
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<NewTransferLine>,
    #[schema(nullable = false)]
    pub note: Option<Note>,
}

/// One product to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransferLine {
    pub product_id: ProductId,
    pub quantity: PositiveQuantity,
    /// Of which lots it is, or which serial numbers: they add up to `quantity`. Not said: what
    /// leaves first.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub lots: Vec<NamedLot>,
}

/// What has come of a transfer, and what never will.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiveTransfer {
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<ReceivedTransferLine>,
}

/// What has come of one product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceivedTransferLine {
    pub product_id: ProductId,
    #[serde(default)]
    pub received: Quantity,
    /// Of which lots what has come is, or which serial numbers: they add up to `received`. Not
    /// said: any of those that were sent.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub lots: Vec<NamedLot>,
    #[serde(default)]
    pub lost: Quantity,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListTransfers {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub from_warehouse_id: Option<WarehouseId>,
    pub to_warehouse_id: Option<WarehouseId>,
    #[param(inline)]
    pub status: Option<TransferStatus>,
}

/// List transfers
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Stock transfers",
    params(ListTransfers),
    responses((status = 200, body = Page<Transfer>)),
    extensions(
        ("x-permission" = json!("inventory.transfer:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/transfers")]
async fn list_transfers(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListTransfers>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_transfers(&ctx, query.0).await?))
}

/// Get transfer
#[utoipa::path(
    tag = "Stock transfers",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Transfer)),
    extensions(
        ("x-permission" = json!("inventory.transfer:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/transfers/{id}")]
async fn get_transfer(ctx: Ctx, service: Data<Service>, id: Path<Uuid>) -> Result<Reply> {
    let transfer = service.transfer(*id).await?;
    let ends = [transfer.from_warehouse_id, transfer.to_warehouse_id];
    check_scope(&ctx, ends, "transfer", *id)?;
    Ok(Reply::ok(&transfer))
}

/// Ship transfer
///
/// The first of two steps: the goods leave their warehouse at average cost and are in transit,
/// where nobody can be promised any of them. Which lots or serial numbers go is what the lines say,
/// or what would be shipped first.
/// - Errors: 409 `insufficient_stock`, `insufficient_lot` where less of a lot lies there free,
///   `lot_blocked`; 422 `unknown_warehouse`, `same_warehouse`, `warehouse_inactive`,
///   `unknown_product`, `quantity_too_fine`, `no_lines`, `too_many_lines`, `amount_overflow`,
///   `unknown_lot`, `lots_not_tracked`, `lots_do_not_add_up`, `serial_of_many`,
///   `duplicate_serial`.
#[utoipa::path(
    tag = "Stock transfers",
    request_body = NewTransfer,
    responses((status = 201, body = Transfer)),
    extensions(
        ("x-permission" = json!("inventory.transfer:ship")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "insufficient_stock", "unknown_warehouse", "same_warehouse", "warehouse_inactive",
            "product_is_kit",
            "unknown_product", "quantity_too_fine", "no_lines", "too_many_lines",
            "amount_overflow", "unknown_lot", "lot_blocked", "insufficient_lot",
            "lots_not_tracked", "lots_do_not_add_up", "serial_of_many", "duplicate_serial"
        ]))
    )
)]
#[post("/transfers")]
async fn ship_transfer(ctx: Ctx, service: Data<Service>, body: Json<NewTransfer>) -> Result<Reply> {
    service.ship_transfer(&ctx, body.0).await
}

/// Receive transfer
///
/// The second step, all at once or in parts: what has come is on hand at what it cost where it
/// left, and what is lost is written off. Orders that wait for it get it first.
/// - Errors: 409 `transfer_over`, `insufficient_lot` where less of a lot is on its way; 422
///   `unknown_product`, `not_on_list`, `quantity_negative`, `quantity_too_fine`,
///   `quantity_not_positive` where nothing came and nothing is lost, `more_than_shipped`,
///   `no_lines`, `too_many_lines`, `amount_overflow`, `unknown_lot`, `lots_not_tracked`,
///   `lots_do_not_add_up`, `serial_of_many`, `duplicate_serial`.
/// - Emits `inventory.stock.adjusted` for what is lost, and `inventory.backorder.filled` for
///   each order that was waiting.
#[utoipa::path(
    tag = "Stock transfers",
    params(("id" = Uuid, Path)),
    request_body = ReceiveTransfer,
    responses((status = 200, body = Transfer)),
    extensions(
        ("x-permission" = json!("inventory.transfer:receive")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!([
            "product_is_kit",
            "transfer_over", "unknown_product", "not_on_list", "quantity_negative",
            "quantity_too_fine", "quantity_not_positive", "more_than_shipped", "no_lines",
            "too_many_lines", "amount_overflow", "unknown_lot", "insufficient_lot",
            "lots_not_tracked", "lots_do_not_add_up", "serial_of_many", "duplicate_serial"
        ]))
    )
)]
#[post("/transfers/{id}/receive")]
async fn receive_transfer(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<Uuid>,
    body: Json<ReceiveTransfer>,
) -> Result<Reply> {
    service.receive_transfer(&ctx, *id, body.0).await
}
