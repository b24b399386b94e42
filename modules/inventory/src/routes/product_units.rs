//! Units of a product beside its own: boxes, pallets, pounds.

use actix_web::web::Data;
use actix_web::{get, post, put};
use contracts::ids::ProductId;
use kernel::http::{Json, Path, Reply, Routes, Versioned};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::Text;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_product_units).service(set_product_units).service(convert_quantity);
}

/// The units of a product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductUnits {
    pub product_id: ProductId,
    /// Its own, in which stock is kept.
    #[schema(example = "pcs")]
    pub unit: String,
    pub unit_decimals: u8,
    /// The others, by code.
    pub units: Vec<ProductUnit>,
    /// The product's.
    pub version: i64,
}

impl Versioned for ProductUnits {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A unit: one of it is `numerator` / `denominator` of the product's own.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductUnit {
    #[schema(example = "box")]
    pub code: String,
    #[schema(example = 12)]
    pub numerator: u32,
    #[schema(example = 1)]
    pub denominator: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub barcode: Option<String>,
}

/// The units a product is to have beside its own, instead of those it has.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetUnits {
    #[schema(max_items = 20)]
    pub units: Vec<NewUnit>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUnit {
    pub code: Text<1, 16>,
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub numerator: u32,
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub denominator: u32,
    #[schema(nullable = false)]
    pub barcode: Option<Text<1, 64>>,
}

/// A quantity to be converted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conversion {
    pub quantity: PositiveQuantity,
    /// A unit of the product, or its own.
    pub from: Text<1, 16>,
    pub to: Text<1, 16>,
}

/// A quantity in another unit, exactly.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Converted {
    pub quantity: Quantity,
    #[schema(example = "box")]
    pub unit: String,
    /// The same in the unit of stock.
    pub base_quantity: Quantity,
    #[schema(example = "pcs")]
    pub base_unit: String,
}

/// Get units of product
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    responses((status = 200, body = ProductUnits)),
    extensions(("x-permission" = json!("inventory.product:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/products/{id}/units")]
async fn get_product_units(service: Data<Service>, id: Path<ProductId>) -> Result<Reply> {
    Ok(Reply::ok(&service.product_units(*id).await?))
}

/// Set units of product
///
/// Replaces those it has. The version is the product's.
/// - Errors: 409 `barcode_taken`; 422 `invalid_unit` if a code is listed twice or is the
///   product's own, or a ratio is not 1 to 10⁹; `invalid_gtin`.
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    request_body = SetUnits,
    responses((status = 200, body = ProductUnits)),
    extensions(
        ("x-permission" = json!("inventory.product:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["barcode_taken", "invalid_unit", "invalid_gtin"]))
    )
)]
#[put("/products/{id}/units")]
async fn set_product_units(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ProductId>,
    body: Json<SetUnits>,
) -> Result<Reply> {
    service.set_product_units(&ctx, *id, body.0).await
}

/// Convert quantity
///
/// Between two units of a product, exactly or not at all. Changes nothing.
/// - Errors: 422 `unknown_unit`, `conversion_not_exact`, `quantity_too_fine` if the unit of
///   stock has fewer decimals.
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    request_body = Conversion,
    responses((status = 200, body = Converted)),
    extensions(
        ("x-permission" = json!("inventory.product:read")),
        ("x-scope" = json!("warehouse")),
        ("x-errors" = json!(["unknown_unit", "conversion_not_exact", "quantity_too_fine"]))
    )
)]
#[post("/products/{id}/convert")]
async fn convert_quantity(
    service: Data<Service>,
    id: Path<ProductId>,
    body: Json<Conversion>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.convert(*id, body.0).await?))
}
