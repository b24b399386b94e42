//! Documents as they are answered.

mod bills;
mod credit_notes;
mod invoices;

use std::collections::BTreeMap;

use contracts::billing::TaxTotal;
use kernel::Result;
use kernel::money::{Currency, Money, Percent};

use crate::service::tax_rates::stored_class;
use crate::service::totals::NetTax;

pub(crate) use bills::present as present_bill;
pub(crate) use credit_notes::present as present_credit_note;
pub(crate) use invoices::present as present_invoice;

/// The tax of each class: what its lines add up to, exactly (domain rule B-2).
fn taxes_of<'a>(
    currency: Currency,
    lines: impl Iterator<Item = (&'a str, Percent, NetTax)>,
) -> Result<Vec<TaxTotal>> {
    let mut classes = BTreeMap::new();
    for (tax_class, rate, part) in lines {
        let (_, sum) = classes.entry(tax_class).or_insert((rate, NetTax::default()));
        sum.net += part.net;
        sum.tax += part.tax;
    }
    let taxes = classes.into_iter().map(|(tax_class, (rate, sum))| {
        Ok(TaxTotal {
            tax_class: stored_class(tax_class)?,
            rate,
            base: Money::new(sum.net, currency),
            tax: Money::new(sum.tax, currency),
        })
    });
    taxes.collect()
}
