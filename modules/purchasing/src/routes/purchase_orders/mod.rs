//! Purchase orders: what we want of suppliers.

mod actions;
pub(crate) mod types;

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::NaiveDate;
use contracts::ids::{ProductId, PurchaseOrderId, SupplierId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, nullable};
use kernel::money::UnitPrice;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::PositiveQuantity;
use kernel::{Ctx, Result};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::entities::purchase_order::PurchaseOrderStatus;
use crate::service::Service;

use types::{PurchaseOrder, PurchaseOrderSummary};

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_purchase_orders)
        .service(get_purchase_order)
        .service(create_purchase_order)
        .service(update_purchase_order);
    actions::configure(routes);
}

/// A purchase order to be drafted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPurchaseOrder {
    pub supplier_id: SupplierId,
    /// Where the goods are to go.
    pub warehouse_id: WarehouseId,
    /// Today (UTC) where absent.
    pub ordered_on: Option<NaiveDate>,
    /// When the goods should be there.
    pub expected_on: Option<NaiveDate>,
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<NewPurchaseOrderLine>,
}

/// A line to be ordered.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPurchaseOrderLine {
    pub product_id: ProductId,
    pub quantity: PositiveQuantity,
    /// Without tax, in the supplier's currency.
    pub unit_price: UnitPrice,
}

/// Changes to a draft: what is absent stays, null empties. `lines` replaces all lines.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PurchaseOrderPatch {
    #[schema(nullable = false)]
    pub supplier_id: Option<SupplierId>,
    #[schema(nullable = false)]
    pub warehouse_id: Option<WarehouseId>,
    #[schema(nullable = false)]
    pub ordered_on: Option<NaiveDate>,
    #[serde(default, deserialize_with = "nullable")]
    pub expected_on: Option<Option<NaiveDate>>,
    #[schema(nullable = false, min_items = 1, max_items = 5000)]
    pub lines: Option<Vec<NewPurchaseOrderLine>>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPurchaseOrders {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    #[param(inline)]
    pub status: Option<PurchaseOrderStatus>,
    pub supplier_id: Option<SupplierId>,
    pub warehouse_id: Option<WarehouseId>,
}

/// List purchase orders
///
/// Newest first unless `sort` says otherwise; without their lines.
#[utoipa::path(
    tag = "Purchase orders",
    params(ListPurchaseOrders),
    responses((status = 200, body = Page<PurchaseOrderSummary>)),
    extensions(("x-permission" = json!("purchasing.purchase_order:read")))
)]
#[get("/purchase-orders")]
async fn list_purchase_orders(
    service: Data<Service>,
    query: Query<ListPurchaseOrders>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_purchase_orders(query.0).await?))
}

/// Get purchase order
#[utoipa::path(
    tag = "Purchase orders",
    params(("id" = PurchaseOrderId, Path)),
    responses((status = 200, body = PurchaseOrder)),
    extensions(("x-permission" = json!("purchasing.purchase_order:read")))
)]
#[get("/purchase-orders/{id}")]
async fn get_purchase_order(service: Data<Service>, id: Path<PurchaseOrderId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.purchase_order(*id).await?));
    service.db.cached("purchase_order", id.uuid(), read).await
}

/// Create purchase order
///
/// A draft, in the supplier's currency. Prices are without tax.
/// - Errors: 422 `unknown_supplier`, `supplier_inactive`, `unknown_warehouse`,
///   `warehouse_inactive`, `unknown_product`, `product_inactive`, `quantity_too_fine`,
///   `no_lines`, `too_many_lines`, `date_in_future`, `date_out_of_range`,
///   `expected_before_ordered`, `currency_not_supported`, `unknown_tax_class`,
///   `amount_overflow`.
#[utoipa::path(
    tag = "Purchase orders",
    request_body = NewPurchaseOrder,
    responses((status = 201, body = PurchaseOrder)),
    extensions(
        ("x-permission" = json!("purchasing.purchase_order:create")),
        ("x-errors" = json!([
            "unknown_supplier", "supplier_inactive", "unknown_warehouse", "warehouse_inactive",
            "product_is_kit",
            "unknown_product", "product_inactive", "quantity_too_fine", "no_lines",
            "too_many_lines", "date_in_future", "date_out_of_range", "expected_before_ordered",
            "currency_not_supported", "unknown_tax_class", "amount_overflow"
        ]))
    )
)]
#[post("/purchase-orders")]
async fn create_purchase_order(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewPurchaseOrder>,
) -> Result<Reply> {
    service.create_purchase_order(&ctx, body.0).await
}

/// Update purchase order
///
/// A JSON merge patch (RFC 7396) of a draft. The rounding mode stays the one the order
/// began with.
/// - Errors: 409 `illegal_transition` where it is no draft any more; 422 as at creation.
#[utoipa::path(
    tag = "Purchase orders",
    params(("id" = PurchaseOrderId, Path)),
    request_body(content = PurchaseOrderPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = PurchaseOrder)),
    extensions(
        ("x-permission" = json!("purchasing.purchase_order:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "illegal_transition", "unknown_supplier", "supplier_inactive", "unknown_warehouse",
            "product_is_kit",
            "warehouse_inactive", "unknown_product", "product_inactive", "quantity_too_fine",
            "no_lines", "too_many_lines", "date_in_future", "date_out_of_range",
            "expected_before_ordered", "currency_not_supported", "unknown_tax_class",
            "amount_overflow"
        ]))
    )
)]
#[patch("/purchase-orders/{id}")]
async fn update_purchase_order(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PurchaseOrderId>,
    body: Json<PurchaseOrderPatch>,
) -> Result<Reply> {
    service.update_purchase_order(&ctx, *id, body.0).await
}
