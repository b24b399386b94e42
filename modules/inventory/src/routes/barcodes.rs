//! Barcodes: what a scanner read.

use actix_web::get;
use actix_web::web::Data;
use kernel::http::{Path, Query, Reply, Routes};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::routes::locations::Location;
use crate::routes::lots::Lot;
use crate::routes::products::Product;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(scan_barcode).service(scan_code);
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

/// What a code may be on
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScanKind {
    /// A product, or a package of one
    Product,
    /// A lot of a product
    Lot,
    /// A piece with a serial number
    Serial,
    /// A place in a warehouse
    Location,
}

/// Something that a code stands for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScanMatch {
    #[schema(inline)]
    pub kind: ScanKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub product: Option<Product>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unit: Option<String>,
    /// How much of the product's own unit a package is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quantity: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lot: Option<Lot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub location: Option<Location>,
}

/// Everything that a code stands for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScanMatches {
    pub matches: Vec<ScanMatch>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScanCode {
    /// What the scanner read: a barcode, a lot or serial number, the code on a shelf, or a GS1
    /// element string, with brackets or as it was sent.
    #[param(inline)]
    pub code: String,
}

/// Scan code
///
/// Finds what the code is on, whatever that is: the product or the package, the lots and serial
/// numbers so called, the location. A GS1 element string with a product (01) and a lot (10) or a
/// serial number (21) finds the product and that lot of it.
#[utoipa::path(
    tag = "Products",
    params(ScanCode),
    responses((status = 200, body = ScanMatches)),
    extensions(("x-permission" = json!("inventory.product:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/scans")]
async fn scan_code(ctx: Ctx, service: Data<Service>, query: Query<ScanCode>) -> Result<Reply> {
    Ok(Reply::plain(&service.scan_code(&ctx, &query.0.code).await?))
}

/// Scan barcode
///
/// Finds the product, or the package of one, that has the barcode. A GTIN is found however
/// many zeros it begins with.
#[utoipa::path(
    tag = "Products",
    params(("barcode" = String, Path, max_length = 64)),
    responses((status = 200, body = Scan)),
    extensions(("x-permission" = json!("inventory.product:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/barcodes/{barcode}")]
async fn scan_barcode(service: Data<Service>, barcode: Path<String>) -> Result<Reply> {
    Ok(Reply::plain(&service.scan(&barcode).await?))
}
