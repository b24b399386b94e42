//! Barcodes: what a scanner read.

use actix_web::get;
use actix_web::web::Data;
use kernel::Result;
use kernel::http::{Path, Reply, Routes};
use kernel::quantity::Quantity;
use serde::Serialize;
use utoipa::ToSchema;

use crate::routes::products::Product;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(scan_barcode);
}

/// What a barcode stands for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Scan {
    pub product: Product,
    /// The unit it is on: the product's own, or that of a package.
    #[schema(example = "pcs")]
    pub unit: String,
    /// How much of the product's own unit that is.
    pub quantity: Quantity,
}

/// Scan barcode
///
/// Finds the product, or the package of one, that has the barcode. A GTIN is found however
/// many zeros it begins with.
#[utoipa::path(
    tag = "Products",
    params(("barcode" = String, Path, max_length = 64)),
    responses((status = 200, body = Scan)),
    extensions(("x-permission" = json!("inventory.product:read")))
)]
#[get("/barcodes/{barcode}")]
async fn scan_barcode(service: Data<Service>, barcode: Path<String>) -> Result<Reply> {
    Ok(Reply::plain(&service.scan(&barcode).await?))
}
