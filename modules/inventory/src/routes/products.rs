//! Products: what can be stocked, bought and sold.

use std::collections::BTreeMap;

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::common::TaxClass;
use contracts::ids::{CategoryId, ProductId, ProductTemplateId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::money::UnitPrice;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Code, Name, Note, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::product::{Costing, NegativeStock, Picking, Tracking};
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_products)
        .service(get_product)
        .service(create_product)
        .service(update_product)
        .service(set_standard_cost);
}

/// A product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Product {
    pub id: ProductId,
    /// Stock keeping unit, unique.
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Unit of measure.
    #[schema(example = "pcs")]
    pub unit: String,
    /// Decimals a quantity of it may have.
    pub unit_decimals: u8,
    /// Which tax applies to it.
    #[schema(example = "standard")]
    pub tax_class: String,
    /// Only active products can be put on new documents.
    pub is_active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category_id: Option<CategoryId>,
    /// What another system calls it, unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub external_id: Option<String>,
    /// The template it is a variant of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub template_id: Option<ProductTemplateId>,
    /// What makes it that variant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Weight of one unit, and its measures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub weight_g: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub length_mm: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub width_mm: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub height_mm: Option<u32>,
    /// Whether it is known which lot or which piece is where.
    #[schema(inline)]
    pub tracking: Tracking,
    /// What leaves first.
    #[schema(inline)]
    pub picking: Picking,
    /// How what is on hand is valued.
    #[schema(inline)]
    pub costing: Costing,
    /// What a unit is valued at, where that is a standard.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub standard_cost: Option<UnitPrice>,
    /// Whether it is sold whole and stocked in parts.
    pub is_kit: bool,
    /// Whether more of it may leave a warehouse than is there.
    #[schema(inline)]
    pub negative_stock: NegativeStock,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Product {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A product to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    pub sku: Code,
    pub name: Name,
    pub description: Option<Note>,
    pub barcode: Option<Text<1, 64>>,
    /// Unit of measure, such as `pcs` or `kg`.
    pub unit: Text<1, 16>,
    /// Decimals a quantity of it may have: 0 for what is counted.
    #[serde(default)]
    #[schema(maximum = 6, default = 0)]
    pub unit_decimals: u8,
    /// A code of billing's tax table.
    pub tax_class: TaxClass,
    pub category_id: Option<CategoryId>,
    /// What another system calls it, unique.
    pub external_id: Option<Text<1, 128>>,
    /// The template it is a variant of. It stays one.
    pub template_id: Option<ProductTemplateId>,
    /// One value for each attribute of the template.
    pub options: Option<BTreeMap<String, String>>,
    /// Weight of one unit, and its measures.
    pub weight_g: Option<u32>,
    pub length_mm: Option<u32>,
    pub width_mm: Option<u32>,
    pub height_mm: Option<u32>,
    /// Whether it is known which lot or which piece is where; `serial` only of what is counted.
    #[serde(default)]
    #[schema(inline)]
    pub tracking: Tracking,
    /// What leaves first.
    #[serde(default)]
    #[schema(inline)]
    pub picking: Picking,
    /// How what is on hand is valued. It stays so.
    #[serde(default)]
    #[schema(inline)]
    pub costing: Costing,
    /// What a unit is valued at; said if, and only if, that is a standard.
    #[schema(nullable = false)]
    pub standard_cost: Option<UnitPrice>,
}

/// What a unit is valued at from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetStandardCost {
    pub standard_cost: UnitPrice,
}

/// Changes to a product: what is absent stays, null empties.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductPatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    #[serde(default, deserialize_with = "nullable")]
    pub description: Option<Option<Note>>,
    #[serde(default, deserialize_with = "nullable")]
    pub barcode: Option<Option<Text<1, 64>>>,
    pub tax_class: Option<TaxClass>,
    pub is_active: Option<bool>,
    #[serde(default, deserialize_with = "nullable")]
    pub category_id: Option<Option<CategoryId>>,
    #[serde(default, deserialize_with = "nullable")]
    pub external_id: Option<Option<Text<1, 128>>>,
    #[serde(default, deserialize_with = "nullable")]
    pub weight_g: Option<Option<u32>>,
    #[serde(default, deserialize_with = "nullable")]
    pub length_mm: Option<Option<u32>>,
    #[serde(default, deserialize_with = "nullable")]
    pub width_mm: Option<Option<u32>>,
    #[serde(default, deserialize_with = "nullable")]
    pub height_mm: Option<Option<u32>>,
    /// Only of what was never stocked, ordered or expected anywhere.
    #[schema(inline, nullable = false)]
    pub tracking: Option<Tracking>,
    #[schema(inline, nullable = false)]
    pub picking: Option<Picking>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListProducts {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the product with this SKU.
    pub sku: Option<Code>,
    pub is_active: Option<bool>,
    pub category_id: Option<CategoryId>,
    /// Only variants of this template.
    pub template_id: Option<ProductTemplateId>,
    /// Only the product that another system calls so.
    pub external_id: Option<Text<1, 128>>,
    /// Only products that have, for each word of this, one that begins with it in their SKU,
    /// name or barcode.
    #[param(inline)]
    pub q: Option<Text<1, 100>>,
}

/// List products
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Products",
    params(ListProducts),
    responses((status = 200, body = Page<Product>)),
    extensions(
        ("x-permission" = json!("inventory.product:read")),
        ("x-scope" = json!("none"))
    )
)]
#[get("/products")]
async fn list_products(service: Data<Service>, query: Query<ListProducts>) -> Result<Reply> {
    let page = service.list_products(query.0).await?;
    Ok(Reply::plain(&page.map(Product::from)))
}

/// Get product
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    responses((status = 200, body = Product)),
    extensions(
        ("x-permission" = json!("inventory.product:read")),
        ("x-scope" = json!("none"))
    )
)]
#[get("/products/{id}")]
async fn get_product(service: Data<Service>, id: Path<ProductId>) -> Result<Reply> {
    let read = async || {
        let product = service.product(*id).await?;
        Ok(Reply::ok(&Product::from(product)))
    };
    service.db.cached("product", id.uuid(), read).await
}

/// Create product
///
/// A barcode of 8, 12, 13 or 14 digits is a GTIN and has its check digit.
/// - Errors: 409 `sku_taken`, `barcode_taken`, `external_id_taken`, `variant_exists`; 422
///   `invalid_gtin`, `unknown_category`, `unknown_template`, `options_do_not_fit`.
#[utoipa::path(
    tag = "Products",
    request_body = NewProduct,
    responses((status = 201, body = Product)),
    extensions(
        ("x-permission" = json!("inventory.product:create")),
        ("x-errors" = json!([
            "sku_taken", "barcode_taken", "external_id_taken", "variant_exists",
            "invalid_gtin", "unknown_category", "unknown_template", "options_do_not_fit",
            "too_many_unit_decimals", "serial_of_no_pieces", "standard_cost_unclear"
        ]))
    )
)]
#[post("/products")]
async fn create_product(ctx: Ctx, service: Data<Service>, body: Json<NewProduct>) -> Result<Reply> {
    service.create_product(&ctx, body.0).await
}

/// Update product
///
/// A JSON merge patch (RFC 7396).
/// - Errors: 409 `barcode_taken`, `external_id_taken`; 422 `invalid_gtin`,
///   `unknown_category`.
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    request_body(content = ProductPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Product)),
    extensions(
        ("x-permission" = json!("inventory.product:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "barcode_taken", "external_id_taken", "invalid_gtin", "unknown_category",
            "tracking_fixed", "serial_of_no_pieces", "kit_tracked", "negative_stock_of_lots"
        ]))
    )
)]
#[patch("/products/{id}")]
async fn update_product(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ProductId>,
    body: Json<ProductPatch>,
) -> Result<Reply> {
    service.update_product(&ctx, *id, body.0).await
}

/// Set standard cost
///
/// Values everything there is of a product at another standard cost. The difference is booked
/// at once.
/// - Errors: 409 `no_standard_cost` where it is not valued at one, `changed_meanwhile`.
/// - Emits `inventory.stock.adjusted` for each warehouse that has some.
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductId, Path)),
    request_body = SetStandardCost,
    responses((status = 200, body = Product)),
    extensions(
        ("x-permission" = json!("inventory.product:value")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["no_standard_cost", "changed_meanwhile", "amount_overflow"]))
    )
)]
#[post("/products/{id}/standard-cost")]
async fn set_standard_cost(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ProductId>,
    body: Json<SetStandardCost>,
) -> Result<Reply> {
    service.set_standard_cost(&ctx, *id, body.0).await
}
