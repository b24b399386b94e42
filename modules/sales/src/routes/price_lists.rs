//! Price lists: what products cost, for whom and from when to when.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::PriceListId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::money::Currency;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Code, Name};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_price_lists)
        .service(get_price_list)
        .service(create_price_list)
        .service(update_price_list);
}

/// A price list. Its prices are at `/price-lists/{id}/prices`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriceList {
    pub id: PriceListId,
    /// Unique.
    #[schema(example = "RETAIL-2026")]
    pub code: String,
    pub name: String,
    pub currency: Currency,
    /// The first day it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<NaiveDate>,
    /// The last day it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<NaiveDate>,
    /// Whether it answers when a customer's own list does not. One a currency.
    pub is_default: bool,
    /// Counts changes, those of its prices included.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for PriceList {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A price list to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPriceList {
    pub code: Code,
    pub name: Name,
    /// The company's currency; so far no other is possible.
    pub currency: Currency,
    /// The first day it holds; since ever if absent.
    pub valid_from: Option<NaiveDate>,
    /// The last day it holds; for ever if absent.
    pub valid_until: Option<NaiveDate>,
    #[serde(default)]
    #[schema(default = false)]
    pub is_default: bool,
}

/// Changes to a price list: what is absent stays, null empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceListPatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    #[serde(default, deserialize_with = "nullable")]
    pub valid_from: Option<Option<NaiveDate>>,
    #[serde(default, deserialize_with = "nullable")]
    pub valid_until: Option<Option<NaiveDate>>,
    #[schema(nullable = false)]
    pub is_default: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPriceLists {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the price list with this code.
    pub code: Option<Code>,
    pub is_default: Option<bool>,
}

/// List price lists
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Price lists",
    params(ListPriceLists),
    responses((status = 200, body = Page<PriceList>)),
    extensions(("x-permission" = json!("sales.price_list:read")))
)]
#[get("/price-lists")]
async fn list_price_lists(service: Data<Service>, query: Query<ListPriceLists>) -> Result<Reply> {
    let page = service.list_price_lists(query.0).await?;
    Ok(Reply::plain(&page.map(PriceList::from)))
}

/// Get price list
#[utoipa::path(
    tag = "Price lists",
    params(("id" = PriceListId, Path)),
    responses((status = 200, body = PriceList)),
    extensions(("x-permission" = json!("sales.price_list:read")))
)]
#[get("/price-lists/{id}")]
async fn get_price_list(service: Data<Service>, id: Path<PriceListId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&PriceList::from(service.price_list(*id).await?)));
    service.db.cached("price_list", id.uuid(), read).await
}

/// Create price list
///
/// - Errors: 409 `code_taken`, `default_price_list_exists`; 422 `currency_not_supported`,
///   `validity_reversed`, `date_out_of_range`.
#[utoipa::path(
    tag = "Price lists",
    request_body = NewPriceList,
    responses((status = 201, body = PriceList)),
    extensions(
        ("x-permission" = json!("sales.price_list:create")),
        ("x-errors" = json!(["code_taken", "default_price_list_exists",
            "currency_not_supported", "validity_reversed", "date_out_of_range"]))
    )
)]
#[post("/price-lists")]
async fn create_price_list(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewPriceList>,
) -> Result<Reply> {
    service.create_price_list(&ctx, body.0).await
}

/// Update price list
///
/// A JSON merge patch (RFC 7396). Documents keep the prices they were made with.
/// - Errors: 409 `default_price_list_exists`; 422 `validity_reversed`, `date_out_of_range`.
#[utoipa::path(
    tag = "Price lists",
    params(("id" = PriceListId, Path)),
    request_body(content = PriceListPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = PriceList)),
    extensions(
        ("x-permission" = json!("sales.price_list:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["default_price_list_exists", "validity_reversed",
            "date_out_of_range"]))
    )
)]
#[patch("/price-lists/{id}")]
async fn update_price_list(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PriceListId>,
    body: Json<PriceListPatch>,
) -> Result<Reply> {
    service.update_price_list(&ctx, *id, body.0).await
}
