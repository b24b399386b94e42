//! The module's rules and transactions, by resource.

mod contract;
mod credit;
mod customers;
mod dates;
mod exposure;
mod facts;
mod jobs;
pub(crate) mod laws;
mod price_lists;
mod prices;
mod pricing;
mod products;
mod quotation_actions;
mod quotation_machine;
mod quotation_rows;
mod quotations;
mod quoting;
mod receivables;

use std::sync::Arc;

use contracts::billing::Billing;
use contracts::inventory::Inventory;
use kernel::config::CompanyConfig;
use kernel::db::Db;
use kernel::money::Currency;

use crate::Config;
use crate::error::Error;

/// What every rule works with.
pub(crate) struct Service {
    pub db: Db,
    pub config: Config,
    pub company: CompanyConfig,
    pub inventory: Arc<dyn Inventory>,
    pub billing: Arc<dyn Billing>,
}

impl Service {
    /// Refuses a currency the books are not kept in; `pointer` is where it was asked for.
    fn check_currency(&self, asked: Currency, pointer: &'static str) -> Result<(), Error> {
        let company = self.company.currency;
        if asked == company {
            Ok(())
        } else {
            Err(Error::CurrencyNotSupported { pointer, asked, company })
        }
    }
}
