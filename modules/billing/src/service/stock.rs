//! What moves in the stock moves in the books.

use chrono::NaiveDate;
use contracts::events::{StockAdjusted, StockIssued, StockReturned};
use kernel::Result;
use kernel::db::Tx;
use kernel::events::Event;
use kernel::money::{Currency, Money};
use uuid::Uuid;

use crate::entities::journal_entry::SourceType;
use crate::service::Service;
use crate::service::journal::{Entry, account, day_to_post, post};
use crate::service::ledger::present_entry;

/// Value that moved, and what for.
struct Moved {
    source_type: SourceType,
    source_id: Uuid,
    on: NaiveDate,
    currency: Currency,
    description: String,
    /// What is debited to accounts; credited below zero.
    postings: Vec<(&'static str, i64)>,
}

/// A value from one account to another; the other way round if it is negative.
fn between(debit: &'static str, credit: &'static str, value: Money) -> Vec<(&'static str, i64)> {
    vec![(debit, value.minor()), (credit, -value.minor())]
}

impl Service {
    /// Goods left with a shipment: cost of goods sold against inventory.
    pub(crate) async fn post_issued(&self, event: &Event, told: StockIssued) -> Result<()> {
        let moved = Moved {
            source_type: SourceType::Shipment,
            source_id: told.shipment_id.uuid(),
            on: told.issued_on,
            currency: told.cost.currency(),
            description: "Goods shipped".into(),
            postings: between(account::COST_OF_GOODS_SOLD, account::INVENTORY, told.cost),
        };
        self.post_moved(event, moved).await
    }

    /// Goods came back at what they had cost, to the shelf or to be scrapped: those are sold no
    /// more either, and are lost.
    pub(crate) async fn post_returned(&self, event: &Event, told: StockReturned) -> Result<()> {
        let currency = told.cost.currency();
        let mut lost = Money::zero(currency);
        for line in &told.scrapped {
            lost = lost.checked_add(line.cost).map_err(kernel::Error::internal)?;
        }
        let sold = told.cost.checked_add(lost).map_err(kernel::Error::internal)?;
        let moved = Moved {
            source_type: SourceType::Return,
            source_id: told.return_id.uuid(),
            on: told.returned_on,
            currency,
            description: "Goods returned".into(),
            postings: vec![
                (account::INVENTORY, told.cost.minor()),
                (account::INVENTORY_ADJUSTMENTS, lost.minor()),
                (account::COST_OF_GOODS_SOLD, -sold.minor()),
            ],
        };
        self.post_moved(event, moved).await
    }

    /// Stock was corrected, up or down, or came in without a purchase order.
    pub(crate) async fn post_adjusted(&self, event: &Event, told: StockAdjusted) -> Result<()> {
        let expense = match told.is_cost_of_sales {
            true => account::COST_OF_GOODS_SOLD,
            false => account::INVENTORY_ADJUSTMENTS,
        };
        let moved = Moved {
            source_type: SourceType::StockMove,
            source_id: told.move_id.uuid(),
            on: told.adjusted_on,
            currency: told.value.currency(),
            description: format!("Stock adjusted: {}", told.reason),
            postings: between(account::INVENTORY, expense, told.value),
        };
        self.post_moved(event, moved).await
    }

    async fn post_moved(&self, event: &Event, moved: Moved) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let Some(entry_on) =
            day_to_post(&tx, (moved.source_type, moved.source_id), moved.on).await?
        else {
            return tx.commit().await;
        };
        self.check_currency(moved.currency, "/value")?;
        let entry = Entry {
            source_type: moved.source_type,
            source_id: moved.source_id,
            entry_on,
            document_on: moved.on,
            description: moved.description,
            currency: moved.currency,
            postings: moved.postings,
        };
        self.post_audited(&mut tx, entry).await?;
        tx.commit().await
    }

    /// Posts an entry that is itself what changed.
    pub(crate) async fn post_audited(&self, tx: &mut Tx, entry: Entry) -> Result<()> {
        if let Some((row, lines)) = post(tx, entry).await? {
            let id = row.id.uuid();
            tx.audit_new("journal_entry", id, &present_entry(row, lines))?;
        }
        Ok(())
    }
}
