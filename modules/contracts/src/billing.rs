//! What billing promises: totals and taxes, computed in one place for every document.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::module::ServeContract;
use kernel::money::{Currency, Money, Percent, UnitPrice};
use kernel::quantity::Quantity;
use kernel::remote::{Remote, Repeat};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::TaxClass;

#[async_trait]
pub trait Billing: Send + Sync {
    /// The totals of a document with these lines. Reads only.
    ///
    /// - Errors: 422 `currency_not_supported` (`/currency`), `unknown_tax_class`
    ///   (`/lines/{i}/tax_class`), `amount_overflow`.
    async fn calculate_totals(&self, ctx: &Ctx, request: CalculateTotals) -> Result<Totals>;
}

/// Lines to be totalled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalculateTotals {
    pub currency: Currency,
    /// Whether unit prices contain the tax.
    pub prices_include_tax: bool,
    /// The company's mode where not given; a document keeps the one it began with.
    pub rounding_mode: Option<RoundingMode>,
    pub lines: Vec<LineToTotal>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineToTotal {
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    /// Discount on the line.
    pub discount: Percent,
    pub tax_class: TaxClass,
}

/// Where a document rounds its tax (domain rules ).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoundingMode {
    /// Once for each rate, on the exact sum of its lines.
    PerDocument,
    /// On each line.
    PerLine,
}

/// The totals of a document. `net + tax = total`, and each is the sum of its lines.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    pub rounding_mode: RoundingMode,
    /// In the order of the request.
    pub lines: Vec<LineTotals>,
    /// One for each tax class used, in the order of the codes.
    pub taxes: Vec<TaxTotal>,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
}

/// A line's share of the totals.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LineTotals {
    pub tax_rate: Percent,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
}

/// The tax of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaxTotal {
    pub tax_class: TaxClass,
    pub rate: Percent,
    /// What the tax is computed on.
    pub base: Money,
    pub tax: Money,
}

#[async_trait]
impl Billing for Remote {
    async fn calculate_totals(&self, ctx: &Ctx, request: CalculateTotals) -> Result<Totals> {
        self.call("calculate_totals", Repeat::Safe, ctx, &request).await
    }
}

/// The far end of the remote client.
pub struct Served(pub Arc<dyn Billing>);

#[async_trait]
impl ServeContract for Served {
    async fn serve(&self, method: &str, ctx: &Ctx, body: &[u8]) -> Result<Vec<u8>> {
        match method {
            "calculate_totals" => {
                crate::answer(&self.0.calculate_totals(ctx, crate::request(body)?).await?)
            }
            other => Err(crate::no_such_method("billing", other)),
        }
    }
}
