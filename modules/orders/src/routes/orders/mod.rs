//! Orders: what customers want of us.

mod actions;
pub(crate) mod types;

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::NaiveDate;
use contracts::common::Address;
use contracts::ids::{CustomerId, OrderId, ProductId, QuotationId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, nullable};
use kernel::money::{Percent, UnitPrice};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::PositiveQuantity;
use kernel::text::Text;
use kernel::{Ctx, Result};
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use crate::entities::order::OrderStatus;
use crate::service::Service;

pub(crate) use actions::CancelLine;
use types::{Order, OrderSummary};

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_orders).service(get_order).service(create_order).service(update_order);
    actions::configure(routes);
}

/// The customer's own number for an order.
pub(crate) type Reference = Text<1, 100>;

/// An order to be created: of a quotation, which says everything, or for a customer.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// An accepted quotation. Nothing else may be given with it.
    pub quotation_id: Option<QuotationId>,
    /// Whom it is for, where there is no quotation.
    pub customer_id: Option<CustomerId>,
    /// Where its goods come from; needed with `customer_id`.
    pub warehouse_id: Option<WarehouseId>,
    /// The customer's own number for it.
    pub customer_reference: Option<Reference>,
    /// Today (UTC) where absent.
    pub ordered_on: Option<NaiveDate>,
    /// Whether what is short may wait for stock; no where absent.
    pub allow_backorder: Option<bool>,
    /// Whether unit prices contain the tax; no where absent.
    pub prices_include_tax: Option<bool>,
    /// The customer's where absent.
    pub shipping_address: Option<Address>,
    /// Needed with `customer_id`.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Option<Vec<NewOrderLine>>,
}

/// A line to be ordered.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrderLine {
    pub product_id: ProductId,
    pub quantity: PositiveQuantity,
    /// From the customer's price list where absent.
    pub unit_price: Option<UnitPrice>,
    /// None where absent.
    pub discount: Option<Percent>,
}

/// Changes to a draft: what is absent stays, null empties. `lines` replaces all lines.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderPatch {
    #[serde(default, deserialize_with = "nullable")]
    pub customer_reference: Option<Option<Reference>>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    pub warehouse_id: Option<WarehouseId>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    pub ordered_on: Option<NaiveDate>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    pub allow_backorder: Option<bool>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    pub prices_include_tax: Option<bool>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    pub shipping_address: Option<Address>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, min_items = 1, max_items = 1000)]
    pub lines: Option<Vec<NewOrderLine>>,
}

/// For a field of a merge patch that cannot be emptied: null is refused, not ignored.
fn not_null<'de, T, D>(deserializer: D) -> std::result::Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListOrders {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub status: Option<OrderStatus>,
    pub customer_id: Option<CustomerId>,
    /// Only the order made of this quotation.
    pub quotation_id: Option<QuotationId>,
}

/// List orders
///
/// Newest first unless `sort` says otherwise; without their lines.
#[utoipa::path(
    tag = "Orders",
    params(ListOrders),
    responses((status = 200, body = Page<OrderSummary>)),
    extensions(("x-permission" = json!("orders.order:read")))
)]
#[get("/orders")]
async fn list_orders(service: Data<Service>, query: Query<ListOrders>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_orders(query.0).await?))
}

/// Get order
#[utoipa::path(
    tag = "Orders",
    params(("id" = OrderId, Path)),
    responses((status = 200, body = Order)),
    extensions(("x-permission" = json!("orders.order:read")))
)]
#[get("/orders/{id}")]
async fn get_order(service: Data<Service>, id: Path<OrderId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.order(*id).await?));
    service.db.cached("order", id.uuid(), read).await
}

/// Create order
///
/// A draft, which holds neither stock nor credit. An accepted quotation becomes one order:
/// where its draft exists already, that one is returned.
/// - `warnings` has `duplicate_customer_reference` where another open order of the customer
///   has the same reference.
/// - Errors: 422 `quotation_or_customer`, `taken_from_quotation`, `unknown_quotation`,
///   `unknown_customer`, `unknown_warehouse`, `warehouse_inactive`, `unknown_product`,
///   `product_inactive`, `quantity_too_fine`, `no_price`, `no_lines`,
///   `too_many_lines`, `date_in_future`, `date_out_of_range`, `currency_not_supported`,
///   `unknown_tax_class`, `amount_overflow`; 409 `quotation_not_accepted`,
///   `customer_inactive`.
/// - Emits `orders.order.created`.
#[utoipa::path(
    tag = "Orders",
    request_body = NewOrder,
    responses((status = 201, body = Order)),
    extensions(
        ("x-permission" = json!("orders.order:create")),
        ("x-errors" = json!([
            "quotation_or_customer", "taken_from_quotation", "unknown_quotation",
            "quotation_not_accepted", "unknown_customer", "customer_inactive",
            "unknown_warehouse", "warehouse_inactive", "unknown_product", "product_inactive",
            "quantity_too_fine", "no_price", "no_lines", "too_many_lines", "date_in_future", "date_out_of_range",
            "currency_not_supported", "unknown_tax_class", "amount_overflow"
        ]))
    )
)]
#[post("/orders")]
async fn create_order(ctx: Ctx, service: Data<Service>, body: Json<NewOrder>) -> Result<Reply> {
    service.create_order(&ctx, body.0).await
}

/// Update order
///
/// A JSON merge patch (RFC 7396) of a draft. New lines are priced as at creation; the
/// rounding mode stays the one the order began with.
/// - Errors: 409 `illegal_transition` where it is no draft any more, `quoted_lines_fixed`
///   for other lines or prices than the accepted quotation's; 422 as at creation.
#[utoipa::path(
    tag = "Orders",
    params(("id" = OrderId, Path)),
    request_body(content = OrderPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Order)),
    extensions(
        ("x-permission" = json!("orders.order:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "illegal_transition", "quoted_lines_fixed", "unknown_warehouse",
            "warehouse_inactive", "unknown_product", "product_inactive", "quantity_too_fine",
            "no_price", "no_lines", "too_many_lines", "date_in_future", "date_out_of_range",
            "currency_not_supported", "unknown_tax_class", "amount_overflow"
        ]))
    )
)]
#[patch("/orders/{id}")]
async fn update_order(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<OrderId>,
    body: Json<OrderPatch>,
) -> Result<Reply> {
    service.update_order(&ctx, *id, body.0).await
}
