//! The module's rules and transactions, by resource.

mod cancel;
mod confirm;
mod contract;
mod counters;
mod create;
mod document;
mod draft;
mod heard;
mod jobs;
pub(crate) mod laws;
mod orders;
mod returns;
mod ship;
mod shipments;
pub(crate) mod status;
mod timeline;
mod update;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use contracts::billing::Billing;
use contracts::ids::OrderId;
use contracts::inventory::Inventory;
use contracts::sales::Sales;
use kernel::db::{Db, Tx};
use kernel::{Ctx, Result};

use crate::Config;
use crate::error::Error;
use crate::service::document::Document;

/// Most lines a request may have.
const MAX_LINES: usize = 1000;

/// What every rule works with.
pub(crate) struct Service {
    pub db: Db,
    pub config: Config,
    pub sales: Arc<dyn Sales>,
    pub inventory: Arc<dyn Inventory>,
    pub billing: Arc<dyn Billing>,
}

impl Service {
    /// Loads an order as a request finds it, to decide what to ask of other modules before
    /// the transaction. A repeat is answered, a stale version refused.
    async fn look(&self, ctx: &Ctx, id: OrderId) -> Result<Document> {
        self.db.answer_repeat(ctx).await?;
        let found = Document::read(&self.db, id).await?;
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
fn check_line_count(given: usize) -> Result<()> {
    match given {
        0 => Err(Error::NoLines.into()),
        1..=MAX_LINES => Ok(()),
        _ => Err(Error::TooManyLines { given, max: MAX_LINES }.into()),
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
    fn a_list_has_one_to_a_thousand_lines() {
        assert_eq!(check_line_count(0).expect_err("none").code(), "no_lines");
        assert_eq!(check_line_count(1001).expect_err("many").code(), "too_many_lines");
        assert!(check_line_count(1).is_ok() && check_line_count(1000).is_ok());
    }
}
