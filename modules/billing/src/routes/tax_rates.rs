//! Tax rates: how much tax each class of product carries.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::common::TaxClass;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::money::Percent;
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::text::Name;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::tax_rate::TaxRateId;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_tax_rates)
        .service(get_tax_rate)
        .service(create_tax_rate)
        .service(update_tax_rate);
}

/// The tax of one class of products.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaxRate {
    pub id: TaxRateId,
    /// What products name as their tax class; unique.
    #[schema(example = "standard")]
    pub code: String,
    pub name: String,
    pub rate: Percent,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for TaxRate {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A tax rate to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTaxRate {
    pub code: TaxClass,
    pub name: Name,
    pub rate: Percent,
}

/// Changes to a tax rate: what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaxRatePatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    /// Documents that exist keep the rate they were made with.
    #[schema(nullable = false)]
    pub rate: Option<Percent>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListTaxRates {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the rate with this code.
    pub code: Option<TaxClass>,
}

impl ListTaxRates {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// List tax rates
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Tax rates",
    params(ListTaxRates),
    responses((status = 200, body = Page<TaxRate>)),
    extensions(("x-permission" = json!("billing.tax_rate:read")))
)]
#[get("/tax-rates")]
async fn list_tax_rates(service: Data<Service>, query: Query<ListTaxRates>) -> Result<Reply> {
    let page = service.list_tax_rates(query.0).await?;
    Ok(Reply::plain(&page.map(TaxRate::from)))
}

/// Get tax rate
#[utoipa::path(
    tag = "Tax rates",
    params(("id" = TaxRateId, Path)),
    responses((status = 200, body = TaxRate)),
    extensions(("x-permission" = json!("billing.tax_rate:read")))
)]
#[get("/tax-rates/{id}")]
async fn get_tax_rate(service: Data<Service>, id: Path<TaxRateId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&TaxRate::from(service.tax_rate(*id).await?)));
    service.db.cached("tax_rate", id.uuid(), read).await
}

/// Create tax rate
///
/// - Errors: 409 `tax_code_taken`.
#[utoipa::path(
    tag = "Tax rates",
    request_body = NewTaxRate,
    responses((status = 201, body = TaxRate)),
    extensions(
        ("x-permission" = json!("billing.tax_rate:create")),
        ("x-errors" = json!(["tax_code_taken"]))
    )
)]
#[post("/tax-rates")]
async fn create_tax_rate(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewTaxRate>,
) -> Result<Reply> {
    service.create_tax_rate(&ctx, body.0).await
}

/// Update tax rate
///
/// A JSON merge patch (RFC 7396). Documents that exist keep the rate they were made with.
#[utoipa::path(
    tag = "Tax rates",
    params(("id" = TaxRateId, Path)),
    request_body(content = TaxRatePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = TaxRate)),
    extensions(
        ("x-permission" = json!("billing.tax_rate:update")),
        ("x-needs" = json!(["if-match"]))
    )
)]
#[patch("/tax-rates/{id}")]
async fn update_tax_rate(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<TaxRateId>,
    body: Json<TaxRatePatch>,
) -> Result<Reply> {
    service.update_tax_rate(&ctx, *id, body.0).await
}
