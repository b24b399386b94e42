//! The prices of a price list, and what a customer would pay.

use actix_web::web::Data;
use actix_web::{get, post, put};
use chrono::NaiveDate;
use contracts::ids::{CustomerId, PriceListId, ProductId};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::money::UnitPrice;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::routes::price_lists::PriceList;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_prices).service(set_prices).service(explain_prices);
}

/// The price of a product from a quantity upwards.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Price {
    pub product_id: ProductId,
    /// The price holds for this quantity and more, up to the next price of the product.
    pub min_quantity: Quantity,
    pub unit_price: UnitPrice,
}

/// Prices to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PricesToSet {
    /// All the prices of the products named here: they replace what the list has for
    /// these products, and leave other products alone.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub prices: Vec<NewPrice>,
    /// Products that are to have no price in the list any more.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub remove_product_ids: Vec<ProductId>,
}

/// A price to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPrice {
    pub product_id: ProductId,
    /// The quantity from which the price holds; from any quantity if absent.
    #[serde(default)]
    pub min_quantity: Quantity,
    pub unit_price: UnitPrice,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPrices {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only prices of this product.
    pub product_id: Option<ProductId>,
}

/// What is to be priced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainPrices {
    pub customer_id: CustomerId,
    /// The day of the sale; today if absent.
    pub on: Option<NaiveDate>,
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<LineToExplain>,
}

/// A product and how much of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineToExplain {
    pub product_id: ProductId,
    pub quantity: PositiveQuantity,
}

/// What each line costs, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainedPrices {
    pub lines: Vec<ExplainedPrice>,
}

/// What a line costs and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainedPrice {
    pub product_id: ProductId,
    pub quantity: Quantity,
    /// Null where no price list has a price.
    pub price: Option<WinningPrice>,
}

/// The price that won.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WinningPrice {
    pub unit_price: UnitPrice,
    /// Code of the price list it is from.
    pub price_list: String,
    /// The quantity from which it holds.
    pub min_quantity: Quantity,
}

/// List prices
///
/// In the order in which they were set.
#[utoipa::path(
    tag = "Prices",
    params(("id" = PriceListId, Path), ListPrices),
    responses((status = 200, body = Page<Price>)),
    extensions(("x-permission" = json!("sales.price_list:read")))
)]
#[get("/price-lists/{id}/prices")]
async fn list_prices(
    service: Data<Service>,
    id: Path<PriceListId>,
    query: Query<ListPrices>,
) -> Result<Reply> {
    let page = service.list_prices(*id, query.0).await?;
    Ok(Reply::plain(&page.map(Price::from)))
}

/// Set prices
///
/// Replaces the prices of the products named, all of them or none.
/// - Errors: 422 `no_prices`, `too_many_prices`, `unknown_product`, `negative_quantity`,
///   `quantity_too_fine`, `duplicate_price`.
#[utoipa::path(
    tag = "Prices",
    params(("id" = PriceListId, Path)),
    request_body = PricesToSet,
    responses((status = 200, body = PriceList)),
    extensions(
        ("x-permission" = json!("sales.price_list:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["no_prices", "too_many_prices", "unknown_product",
            "negative_quantity", "quantity_too_fine", "duplicate_price"]))
    )
)]
#[put("/price-lists/{id}/prices")]
async fn set_prices(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PriceListId>,
    body: Json<PricesToSet>,
) -> Result<Reply> {
    service.set_prices(&ctx, *id, body.0).await
}

/// Explain prices
///
/// What the customer would pay for each line, and which price list says so: the
/// customer's own if it holds on that day and has a price for the quantity, else the
/// default one; in it the highest `min_quantity` the quantity reaches.
/// - Errors: 422 `unknown_customer`, `no_lines`, `too_many_lines`, `date_out_of_range`.
#[utoipa::path(
    tag = "Prices",
    request_body = ExplainPrices,
    responses((status = 200, body = ExplainedPrices)),
    extensions(
        ("x-permission" = json!("sales.price_list:read")),
        ("x-errors" = json!(["unknown_customer", "no_lines", "too_many_lines",
            "date_out_of_range"]))
    )
)]
#[post("/prices/explain")]
async fn explain_prices(service: Data<Service>, body: Json<ExplainPrices>) -> Result<Reply> {
    Ok(Reply::plain(&service.explain_prices(body.0).await?))
}
