//! What billing promises the other modules.

use async_trait::async_trait;
use contracts::billing::{Billing, CalculateTotals, Totals};
use kernel::{Ctx, Result};

use crate::error::Error;
use crate::service::Service;
use crate::service::tax_rates::TaxTable;
use crate::service::totals::{Line, Terms, calculate};

#[async_trait]
impl Billing for Service {
    async fn calculate_totals(&self, _: &Ctx, request: CalculateTotals) -> Result<Totals> {
        self.check_currency(request.currency, "/currency")?;
        let taxes = TaxTable::load(self.db.read()).await?;
        let lines = request.lines.iter().enumerate().map(|(index, line)| {
            Ok(Line {
                quantity: line.quantity,
                unit_price: line.unit_price,
                discount: line.discount,
                tax_class: &line.tax_class,
                tax_rate: taxes.rate(&line.tax_class, index)?,
            })
        });
        let lines = lines.collect::<Result<Vec<_>, Error>>()?;
        let terms = Terms {
            currency: request.currency,
            rounding: self.company.rounding,
            rounding_mode: request.rounding_mode.unwrap_or(self.config.rounding_mode),
            prices_include_tax: request.prices_include_tax,
        };
        Ok(calculate(terms, &lines).map_err(Error::from)?)
    }
}
