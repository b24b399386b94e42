//! Quotations: what we offer a customer, at which price and until when.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::billing::{RoundingMode, TaxTotal};
use contracts::common::Address;
use contracts::ids::{CustomerId, OrderId, ProductId, QuotationId, QuotationLineId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::money::{Currency, Money, Percent, UnitPrice};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::quotation::Status;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_quotations)
        .service(get_quotation)
        .service(create_quotation)
        .service(update_quotation);
}

/// A quotation as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotationSummary {
    pub id: QuotationId,
    #[schema(example = "QU-2026-000001")]
    pub number: String,
    pub status: Status,
    pub customer_id: CustomerId,
    pub warehouse_id: WarehouseId,
    pub quoted_on: NaiveDate,
    /// The last day it can be accepted.
    pub valid_until: NaiveDate,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// The order it has become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A quotation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Quotation {
    pub id: QuotationId,
    #[schema(example = "QU-2026-000001")]
    pub number: String,
    pub status: Status,
    pub customer_id: CustomerId,
    /// The customer as of the last change; as accepted once it is.
    pub customer: QuotationCustomer,
    /// Where the goods are to leave from.
    pub warehouse_id: WarehouseId,
    pub quoted_on: NaiveDate,
    /// The last day it can be accepted.
    pub valid_until: NaiveDate,
    pub currency: Currency,
    /// Whether unit prices contain the tax.
    pub prices_include_tax: bool,
    /// Where tax is rounded: the company's mode when the quotation was made.
    pub rounding_mode: RoundingMode,
    pub lines: Vec<QuotationLine>,
    pub totals: QuotationTotals,
    /// The order it has become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_number: Option<String>,
    /// What can be asked of it now.
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Quotation {
    fn version(&self) -> i64 {
        self.version
    }
}

/// The customer on a quotation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotationCustomer {
    pub number: String,
    pub name: String,
    pub payment_terms_days: u16,
    pub billing_address: Address,
    pub shipping_address: Address,
}

/// A line of a quotation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotationLine {
    pub id: QuotationLineId,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    #[schema(example = "pcs")]
    pub unit: String,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    /// Code of the price list the price was taken from; absent if it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_list: Option<String>,
    pub discount: Percent,
    #[schema(example = "standard")]
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
}

/// What a quotation comes to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotationTotals {
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// One for each tax class used.
    pub taxes: Vec<TaxTotal>,
}

/// A quotation to be drafted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuotation {
    pub customer_id: CustomerId,
    /// Where the goods are to leave from.
    pub warehouse_id: WarehouseId,
    /// Today if absent; decides which price lists hold.
    pub quoted_on: Option<NaiveDate>,
    /// The last day it can be accepted; 30 days from `quoted_on` if absent, or what the
    /// operator set.
    pub valid_until: Option<NaiveDate>,
    /// The customer's currency if absent.
    pub currency: Option<Currency>,
    /// Whether unit prices, given or from a price list, contain the tax.
    #[serde(default)]
    #[schema(default = false)]
    pub prices_include_tax: bool,
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<NewQuotationLine>,
}

/// A line to be quoted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuotationLine {
    pub product_id: ProductId,
    pub quantity: PositiveQuantity,
    /// From the price lists if absent.
    pub unit_price: Option<UnitPrice>,
    #[serde(default)]
    pub discount: Percent,
}

/// Changes to a draft: what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotationPatch {
    #[schema(nullable = false)]
    pub warehouse_id: Option<WarehouseId>,
    #[schema(nullable = false)]
    pub valid_until: Option<NaiveDate>,
    #[schema(nullable = false)]
    pub prices_include_tax: Option<bool>,
    /// All the lines: they replace those there were, and are priced afresh.
    #[schema(nullable = false, min_items = 1, max_items = 1000)]
    pub lines: Option<Vec<NewQuotationLine>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuotations {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub status: Option<Status>,
    pub customer_id: Option<CustomerId>,
}

/// List quotations
///
/// Newest first unless `sort` says otherwise; without their lines.
#[utoipa::path(
    tag = "Quotations",
    params(ListQuotations),
    responses((status = 200, body = Page<QuotationSummary>)),
    extensions(("x-permission" = json!("sales.quotation:read")))
)]
#[get("/quotations")]
async fn list_quotations(service: Data<Service>, query: Query<ListQuotations>) -> Result<Reply> {
    let page = service.list_quotations(query.0).await?;
    Ok(Reply::plain(&page.map(QuotationSummary::from)))
}

/// Get quotation
#[utoipa::path(
    tag = "Quotations",
    params(("id" = QuotationId, Path)),
    responses((status = 200, body = Quotation)),
    extensions(("x-permission" = json!("sales.quotation:read")))
)]
#[get("/quotations/{id}")]
async fn get_quotation(service: Data<Service>, id: Path<QuotationId>) -> Result<Reply> {
    // On the day after its last, what is kept shows the actions of the day before until the
    // job that expires it has been there: seconds, in which they are refused.
    let read = async || Ok(Reply::ok(&service.quotation(*id).await?));
    service.db.cached("quotation", id.uuid(), read).await
}

/// Draft quotation
///
/// Prices its lines, totals them with their taxes and freezes the rounding mode.
/// - Errors: 409 `customer_inactive`; 422 `unknown_customer`, `unknown_warehouse`,
///   `warehouse_inactive`, `unknown_product`, `product_inactive`, `quantity_too_fine`,
///   `no_price`, `no_lines`, `too_many_lines`, `date_in_future`, `date_out_of_range`,
///   `valid_until_before_quoted_on`, `valid_until_too_late`, `currency_not_supported`,
///   `unknown_tax_class`, `amount_overflow`.
#[utoipa::path(
    tag = "Quotations",
    request_body = NewQuotation,
    responses((status = 201, body = Quotation)),
    extensions(
        ("x-permission" = json!("sales.quotation:create")),
        ("x-errors" = json!(["customer_inactive", "unknown_customer", "unknown_warehouse",
            "warehouse_inactive", "unknown_product", "product_inactive", "quantity_too_fine",
            "no_price", "no_lines", "too_many_lines", "date_in_future", "date_out_of_range",
            "valid_until_before_quoted_on", "valid_until_too_late", "currency_not_supported",
            "unknown_tax_class", "amount_overflow", "module_unavailable"]))
    )
)]
#[post("/quotations")]
async fn create_quotation(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewQuotation>,
) -> Result<Reply> {
    service.create_quotation(&ctx, body.0).await
}

/// Update quotation
///
/// A JSON merge patch (RFC 7396) of a draft. The customer on it is brought up to date.
/// - Errors: 409 `illegal_transition`, `customer_inactive`; 422 as for a new one.
#[utoipa::path(
    tag = "Quotations",
    params(("id" = QuotationId, Path)),
    request_body(content = QuotationPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Quotation)),
    extensions(
        ("x-permission" = json!("sales.quotation:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition", "customer_inactive", "unknown_warehouse",
            "warehouse_inactive", "unknown_product", "product_inactive", "quantity_too_fine",
            "no_price", "no_lines", "too_many_lines", "date_out_of_range",
            "valid_until_before_quoted_on", "valid_until_too_late", "unknown_tax_class",
            "amount_overflow", "module_unavailable"]))
    )
)]
#[patch("/quotations/{id}")]
async fn update_quotation(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<QuotationId>,
    body: Json<QuotationPatch>,
) -> Result<Reply> {
    service.update_quotation(&ctx, *id, body.0).await
}
