//! Kits: what a product is made of that is sold whole and stocked in parts.

use actix_web::web::Data;
use actix_web::{get, put};
use contracts::ids::ProductId;
use kernel::http::{Json, Path, Reply, Routes, Versioned};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_product_components).service(set_product_components);
}

/// What a product is made of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductComponents {
    pub product_id: ProductId,
    /// Whether it is sold whole and stocked in parts.
    pub is_kit: bool,
    /// Empty of what is no kit.
    pub components: Vec<Component>,
    /// The product's.
    pub version: i64,
}

impl Versioned for ProductComponents {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A product of which there is some in each kit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Component {
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    /// Of it in one kit.
    pub quantity: Quantity,
    #[schema(example = "pcs")]
    pub unit: String,
}

/// What a product is to be made of, instead of what it is made of now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetComponents {
    #[schema(min_items = 1, max_items = 50)]
    pub components: Vec<NewComponent>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewComponent {
    pub product_id: ProductId,
    /// Of it in one kit, in its own unit.
    pub quantity: PositiveQuantity,
}

/// Get components of product
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    responses((status = 200, body = ProductComponents)),
    extensions(
        ("x-permission" = json!("inventory.product:read")),
        ("x-scope" = json!("none"))
    )
)]
#[get("/products/{id}/components")]
async fn get_product_components(service: Data<Service>, id: Path<ProductId>) -> Result<Reply> {
    Ok(Reply::ok(&service.product_components(*id).await?))
}

/// Set components of product
///
/// Makes it a kit, which it stays, or replaces what the kit is made of. A kit is counted in
/// whole pieces and is in no warehouse: what is reserved, picked and shipped for an order are
/// its components, and what it costs is what they cost. An order keeps the components it was
/// first reserved with. The version is the product's.
/// - Errors: 409 `kit_stocked` if the product itself was ever stocked, ordered or expected,
///   `kit_tracked`, `kit_in_pieces` if it has decimals, `kit_is_component` if another kit is
///   made of it; 422 `no_components`, `too_many_components`, `duplicate_component`,
///   `unknown_product`, `product_inactive`, `component_is_kit`, `quantity_too_fine`.
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    request_body = SetComponents,
    responses((status = 200, body = ProductComponents)),
    extensions(
        ("x-permission" = json!("inventory.product:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "kit_stocked", "kit_tracked", "kit_in_pieces", "kit_is_component", "no_components",
            "too_many_components", "duplicate_component", "unknown_product", "product_inactive",
            "component_is_kit", "quantity_too_fine"
        ]))
    )
)]
#[put("/products/{id}/components")]
async fn set_product_components(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ProductId>,
    body: Json<SetComponents>,
) -> Result<Reply> {
    service.set_product_components(&ctx, *id, body.0).await
}
