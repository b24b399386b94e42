//! The module's rules and transactions, by resource.

mod ageing;
mod allocations;
mod bills;
mod contract;
mod credit_notes;
pub(crate) mod crediting;
mod credits;
mod dates;
mod drafting;
mod goods;
mod grni;
mod invoices;
pub(crate) mod journal;
pub(crate) mod laws;
mod ledger;
pub(crate) mod matching;
mod order_lines;
mod payment_reversals;
mod payments;
pub(crate) mod period_locks;
mod presenting;
mod purchases;
mod refunds;
mod seal;
mod settling;
mod statements;
mod stock;
mod tax_rates;
pub(crate) mod totals;

use kernel::config::CompanyConfig;
use kernel::db::{Db, Tx};
use kernel::money::Currency;
use sea_orm::{DbErr, EntityTrait, IntoActiveModel, ModelTrait};

use crate::Config;
use crate::error::Error;

/// The most lines a document has: those of the largest purchase order.
pub(crate) const MAX_LINES: usize = 5000;

/// What every rule works with.
pub(crate) struct Service {
    pub db: Db,
    pub config: Config,
    pub company: CompanyConfig,
}

impl Service {
    /// Refuses every currency but that of the books.
    pub(crate) fn check_currency(
        &self,
        currency: Currency,
        pointer: impl Into<String>,
    ) -> Result<(), Error> {
        let company = self.company.currency;
        if currency == company {
            return Ok(());
        }
        Err(Error::CurrencyNotSupported { pointer: pointer.into(), asked: currency, company })
    }
}

/// Refuses a document without lines or with too many.
pub(crate) fn check_line_count(count: usize) -> Result<(), Error> {
    match count {
        0 => Err(Error::NoLines),
        1..=MAX_LINES => Ok(()),
        asked => Err(Error::TooManyLines { asked }),
    }
}

/// Writes rows, all in one statement.
async fn insert_all<M>(tx: &Tx, rows: impl IntoIterator<Item = M>) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
{
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    kernel::db::insert_all(&**tx, rows).await
}
