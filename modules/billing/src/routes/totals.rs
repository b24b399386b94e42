//! Totals: what lines come to, tax included, without making a document.

use actix_web::post;
use actix_web::web::Data;
use contracts::billing::{Billing, CalculateTotals, LineToTotal, RoundingMode, Totals};
use contracts::common::TaxClass;
use kernel::http::{Json, Reply, Routes};
use kernel::money::{Currency, Percent, UnitPrice};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::service::{Service, check_line_count};

pub(super) fn configure(routes: &mut Routes) {
    routes.service(calculate_totals);
}

/// Lines to be totalled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotalsRequest {
    /// The company's where not given.
    pub currency: Option<Currency>,
    /// Whether unit prices contain the tax.
    #[serde(default)]
    pub prices_include_tax: bool,
    /// The company's where not given.
    pub rounding_mode: Option<RoundingMode>,
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<TotalsLine>,
}

/// A line to be totalled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotalsLine {
    /// Negative for a deduction.
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    #[serde(default)]
    pub discount: Percent,
    /// A code of the tax table.
    pub tax_class: TaxClass,
}

/// Calculate totals
///
/// Net, tax and total of lines as an invoice would have them. `per_document` rounds the tax
/// of each class once, on the exact sum of its lines; `per_line` rounds each line.
/// - Errors: 422 `unknown_tax_class`, `currency_not_supported`, `amount_overflow`,
///   `no_lines`, `too_many_lines`.
#[utoipa::path(
    tag = "Totals",
    request_body = TotalsRequest,
    responses((status = 200, body = Totals)),
    extensions(
        ("x-permission" = json!("billing.totals:read")),
        ("x-errors" = json!([
            "unknown_tax_class", "currency_not_supported", "amount_overflow", "no_lines",
            "too_many_lines"
        ]))
    )
)]
#[post("/totals")]
async fn calculate_totals(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<TotalsRequest>,
) -> Result<Reply> {
    let request = body.0;
    check_line_count(request.lines.len())?;
    let lines = request.lines.into_iter().map(|line| LineToTotal {
        quantity: line.quantity,
        unit_price: line.unit_price,
        discount: line.discount,
        tax_class: line.tax_class,
    });
    let request = CalculateTotals {
        currency: request.currency.unwrap_or(service.company.currency),
        prices_include_tax: request.prices_include_tax,
        rounding_mode: request.rounding_mode,
        lines: lines.collect(),
    };
    Ok(Reply::plain(&service.calculate_totals(&ctx, request).await?))
}
