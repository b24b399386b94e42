//! Receipts of stock that comes without a purchase order, such as what there is when a
//! company begins to use the system.

use actix_web::post;
use actix_web::web::Data;
use chrono::NaiveDate;
use contracts::ids::{LocationId, ProductId, WarehouseId};
use kernel::http::{Json, Reply, Routes};
use kernel::money::{Money, UnitPrice};
use kernel::quantity::PositiveQuantity;
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::routes::lots::NewLotQuantity;
use crate::routes::moves::StockMove;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(receive_stock);
}

/// Stock to be taken in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStockReceipt {
    pub warehouse_id: WarehouseId,
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<NewStockReceiptLine>,
    #[schema(example = "Opening stock")]
    pub reason: Note,
    /// Today (UTC) where not said; not in the future.
    #[schema(nullable = false)]
    pub received_on: Option<NaiveDate>,
}

/// One product of a receipt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStockReceiptLine {
    pub product_id: ProductId,
    pub quantity: PositiveQuantity,
    /// What a unit costs.
    pub unit_cost: UnitPrice,
    /// Of which lots, or with which serial numbers, they come, where the product has some. Not
    /// said: they are promised to nobody until it is.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub lots: Vec<NewLotQuantity>,
    /// Where they are put. Not said: where goods arrive.
    #[schema(nullable = false)]
    pub location_id: Option<LocationId>,
}

/// Stock taken in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockReceipt {
    pub id: Uuid,
    pub warehouse_id: WarehouseId,
    pub received_on: NaiveDate,
    /// What all of it cost.
    pub value: Money,
    /// One for each line, in their order.
    pub moves: Vec<StockMove>,
}

/// Receive stock
///
/// Takes in stock that has no purchase order, at the cost given. Orders that wait for it
/// get it first.
/// - Errors: 422 `unknown_warehouse`, `warehouse_inactive`, `unknown_product`,
///   `product_inactive`, `quantity_too_fine`, `date_in_future`, `stock_period_closed`,
///   `amount_overflow`,
///   `lots_not_tracked`, `lots_do_not_add_up`, `lot_differs`, `serial_of_many`,
///   `duplicate_serial`, `unknown_location`, `location_inactive`; 409 `serial_on_hand`.
/// - Emits `inventory.stock.adjusted` for each line, and `inventory.backorder.filled` for
///   each order that was waiting.
#[utoipa::path(
    tag = "Stock receipts",
    request_body = NewStockReceipt,
    responses((status = 201, body = StockReceipt)),
    extensions(
        ("x-permission" = json!("inventory.stock:receive")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "product_is_kit",
            "unknown_warehouse", "warehouse_inactive", "unknown_product", "product_inactive",
            "quantity_too_fine", "date_in_future", "date_out_of_range", "stock_period_closed",
            "amount_overflow", "no_lines", "too_many_lines", "lots_not_tracked",
            "lots_do_not_add_up", "lot_differs",
            "serial_of_many", "duplicate_serial", "serial_on_hand", "unknown_location",
            "location_inactive",
            "changed_meanwhile"
        ]))
    )
)]
#[post("/receipts")]
async fn receive_stock(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewStockReceipt>,
) -> Result<Reply> {
    service.receive_stock(&ctx, body.0).await
}
