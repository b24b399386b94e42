//! Stock: what there is, where, and what it is worth.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use contracts::ids::{ProductId, WarehouseId};
use kernel::http::{Path, Query, Reply, Routes};
use kernel::money::{Money, UnitPrice};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::page_query;
use kernel::quantity::Quantity;
use kernel::table::{Accept, Tabular};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_stock).service(get_product_availability);
}

/// What one warehouse has of one product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockLevel {
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub warehouse_id: WarehouseId,
    /// Below zero where more has left than was there, and may.
    pub on_hand: Quantity,
    /// The part of `on_hand` that is promised.
    pub reserved: Quantity,
    /// On hand and not to be promised: in quarantine, expired, recalled, or of no known lot.
    pub blocked: Quantity,
    /// `on_hand` less `reserved` and `blocked`; zero where that is below it.
    pub available: Quantity,
    /// What orders wait for.
    pub backordered: Quantity,
    /// Unit of measure of the product.
    #[schema(example = "pcs")]
    pub unit: String,
    /// What the goods on hand cost; below zero, what those that are missing went out at.
    pub value: Money,
    /// What a unit costs on average; absent where nothing is on hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub average_cost: Option<UnitPrice>,
}

/// What can be promised of a product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Availability {
    pub product_id: ProductId,
    /// Every warehouse that has or had the product.
    pub warehouses: Vec<WarehouseAvailability>,
    pub on_hand: Quantity,
    pub reserved: Quantity,
    /// What the warehouses can promise together.
    pub available: Quantity,
}

/// What one warehouse can promise.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarehouseAvailability {
    pub warehouse_id: WarehouseId,
    pub on_hand: Quantity,
    pub reserved: Quantity,
    pub available: Quantity,
    pub backordered: Quantity,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListStock {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub product_id: Option<ProductId>,
    pub warehouse_id: Option<WarehouseId>,
}

page_query!(ListStock);

impl Tabular for StockLevel {
    const COLUMNS: &'static [&'static str] = &[
        "product_id",
        "sku",
        "warehouse_id",
        "on_hand",
        "reserved",
        "blocked",
        "available",
        "backordered",
        "unit",
        "value.amount",
        "value.currency",
        "average_cost",
    ];
    const SERIES: &'static [&'static str] =
        &["on_hand", "reserved", "blocked", "available", "backordered", "value.amount"];
}

/// List stock
///
/// One row for each product and warehouse that ever met, those that met last first.
#[utoipa::path(
    tag = "Stock",
    params(ListStock),
    responses((status = 200, body = Page<StockLevel>)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-scope" = json!("warehouse")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/stock")]
async fn list_stock(
    ctx: Ctx,
    accept: Accept,
    service: Data<Service>,
    query: Query<ListStock>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let (ctx, service) = (ctx.clone(), service.clone());
            async move { service.list_stock(&ctx, query).await }
        })
        .await
}

/// Get availability of product
///
/// A kit has none on hand: it is available as often as it could be made in each warehouse.
#[utoipa::path(
    tag = "Stock",
    params(("id" = ProductId, Path)),
    responses((status = 200, body = Availability)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/products/{id}/availability")]
async fn get_product_availability(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ProductId>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.availability(&ctx, *id).await?))
}
