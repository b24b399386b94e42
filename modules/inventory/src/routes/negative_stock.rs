//! Negative stock: where more may leave than is there.

use actix_web::post;
use actix_web::web::Data;
use contracts::ids::{ProductId, WarehouseId};
use kernel::http::{Json, Path, Reply, Routes};
use kernel::{Ctx, Result};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::entities::product::NegativeStock;
use crate::routes::products::Product;
use crate::routes::warehouses::Warehouse;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(allow_negative_stock).service(set_negative_stock);
}

/// Whether more may leave a warehouse than is there, of products that allow that too.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllowNegative {
    pub allows_negative: bool,
}

/// Whether more of a product may leave a warehouse than is there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetNegativeStock {
    #[schema(inline)]
    pub negative_stock: NegativeStock,
}

/// Allow negative stock
///
/// Lets adjustments of today take more out of a warehouse than is there, or no longer, of products
/// whose `negative_stock` is `inherit`, and shipments whose goods were found missing after they had
/// been reserved. Nobody is promised what is not there: an order reserves what is on hand, and
/// ships what is reserved. What goes below zero goes at what the last of it
/// cost; what the next receipt costs more or less is booked that day as cost of goods sold.
/// - Errors: 409 `stock_below_nothing` while something there is below zero, which `levels` lists,
///   `negative_stock_of_places` where the warehouse has locations, `warehouse_of_transit`.
#[utoipa::path(
    tag = "Warehouses",
    params(("id" = WarehouseId, Path)),
    request_body = AllowNegative,
    responses((status = 200, body = Warehouse)),
    extensions(
        ("x-permission" = json!("inventory.warehouse:overdraw")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "stock_below_nothing", "negative_stock_of_places", "warehouse_of_transit"
        ]))
    )
)]
#[post("/warehouses/{id}/negative-stock")]
async fn allow_negative_stock(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<WarehouseId>,
    body: Json<AllowNegative>,
) -> Result<Reply> {
    service.allow_negative_stock(&ctx, *id, body.0).await
}

/// Set negative stock
///
/// Lets more of a product leave the warehouses that allow it than is there, or no longer.
/// - Errors: 409 `stock_below_nothing` while there is less than nothing of it somewhere, which
///   `levels` lists, `negative_stock_of_lots` where it is tracked by lot or serial number; 422
///   `product_is_kit`.
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    request_body = SetNegativeStock,
    responses((status = 200, body = Product)),
    extensions(
        ("x-permission" = json!("inventory.product:overdraw")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["stock_below_nothing", "negative_stock_of_lots", "product_is_kit"]))
    )
)]
#[post("/products/{id}/negative-stock")]
async fn set_negative_stock(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ProductId>,
    body: Json<SetNegativeStock>,
) -> Result<Reply> {
    service.set_negative_stock(&ctx, *id, body.0).await
}
