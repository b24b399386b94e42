//! The module's rules and transactions, by resource.

mod actions;
mod bank_accounts;
mod bills;
mod contract;
mod create;
mod dates;
mod document;
mod draft;
pub(crate) mod laws;
mod purchase_orders;
mod receipts;
pub(crate) mod status;
mod suppliers;
mod update;
mod view;

use std::sync::Arc;

use contracts::billing::Billing;
use contracts::ids::PurchaseOrderId;
use contracts::inventory::Inventory;
use kernel::config::CompanyConfig;
use kernel::db::{Db, Tx};
use kernel::{Ctx, Result};

use crate::Config;
use crate::error::Error;
use crate::service::document::Document;

/// Most lines a request may have: a wholesaler's whole assortment in one order.
const MAX_LINES: usize = 5000;

/// Longest payment terms, as for customers.
const MAX_PAYMENT_TERMS_DAYS: u16 = 120;

/// What every rule works with.
pub(crate) struct Service {
    pub db: Db,
    pub config: Config,
    pub company: CompanyConfig,
    pub inventory: Arc<dyn Inventory>,
    pub billing: Arc<dyn Billing>,
}

impl Service {
    /// Loads an order as a request finds it, to decide what to ask of other modules before
    /// the transaction. A repeat is answered, a stale version refused.
    async fn look(&self, ctx: &Ctx, id: PurchaseOrderId) -> Result<Document> {
        self.db.answer_repeat(ctx).await?;
        let found = Document::read(self.db.read(), id).await?;
        ctx.check_version(found.order.version)?;
        Ok(found)
    }

    /// Loads the order to change it. One changed since `look`, while other modules were
    /// asked, is refused with 412.
    async fn lock_as_seen(&self, tx: &Tx, seen: &Document) -> Result<Document> {
        let found = Document::lock(tx, seen.order.id).await?;
        if found.order.version != seen.order.version {
            return Err(kernel::Error::stale(found.order.version));
        }
        Ok(found)
    }
}

/// A list of lines has 1 to [`MAX_LINES`] of them.
fn check_line_count(given: usize) -> Result<(), Error> {
    match given {
        0 => Err(Error::NoLines),
        1..=MAX_LINES => Ok(()),
        _ => Err(Error::TooManyLines { given, most: MAX_LINES }),
    }
}

/// Whether a quantity has no more decimals than its unit.
fn is_fine_enough(micros: i64, unit_decimals: i64) -> bool {
    // A unit has 0 to 6 decimals; the clamp only keeps the power in range.
    micros % 10_i64.pow(6 - unit_decimals.clamp(0, 6) as u32) == 0
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_quantity_has_at_most_the_decimals_of_its_unit() {
        for (micros, decimals, expected) in [
            (1_000_000, 0, true),
            (1_500_000, 0, false),
            (1_500_000, 1, true),
            (1_550_000, 1, false),
            (1, 6, true),
        ] {
            assert_eq!(is_fine_enough(micros, decimals), expected, "{micros} {decimals}");
        }
    }

    #[test]
    fn a_list_has_one_to_five_thousand_lines() {
        let code = |count| check_line_count(count).map_err(kernel::Error::from);
        assert_eq!(code(0).expect_err("none").code(), "no_lines");
        assert_eq!(code(5001).expect_err("many").code(), "too_many_lines");
        assert!(code(1).is_ok() && code(5000).is_ok());
    }
}
