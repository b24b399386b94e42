//! What moves in the stock moves in the books.

use chrono::NaiveDate;
use contracts::events::{StockAdjusted, StockIssued, StockReturned};
use kernel::Result;
use kernel::db::Tx;
use kernel::events::Event;
use kernel::money::Money;
use uuid::Uuid;

use crate::entities::journal_entry::SourceType;
use crate::service::Service;
use crate::service::journal::{Entry, account, day_to_post, post};
use crate::service::ledger::present_entry;

/// Debit and credit account of a value; the other way round if it is negative.
type Accounts = (&'static str, &'static str);

/// A value that moved, and where from.
struct Moved {
    source_type: SourceType,
    source_id: Uuid,
    on: NaiveDate,
    value: Money,
    description: String,
    accounts: Accounts,
}

impl Service {
    /// Goods left with a shipment: cost of goods sold against inventory.
    pub(crate) async fn post_issued(&self, event: &Event, told: StockIssued) -> Result<()> {
        let moved = Moved {
            source_type: SourceType::Shipment,
            source_id: told.shipment_id.uuid(),
            on: told.issued_on,
            value: told.cost,
            description: "Goods shipped".into(),
            accounts: (account::COST_OF_GOODS_SOLD, account::INVENTORY),
        };
        self.post_moved(event, moved).await
    }

    /// Goods came back to the shelf at what they had cost.
    pub(crate) async fn post_returned(&self, event: &Event, told: StockReturned) -> Result<()> {
        let moved = Moved {
            source_type: SourceType::Return,
            source_id: told.return_id.uuid(),
            on: told.returned_on,
            value: told.cost,
            description: "Goods returned".into(),
            accounts: (account::INVENTORY, account::COST_OF_GOODS_SOLD),
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
            value: told.value,
            description: format!("Stock adjusted: {}", told.reason),
            accounts: (account::INVENTORY, expense),
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
        self.check_currency(moved.value.currency(), "/value")?;
        let (debit, credit) = moved.accounts;
        let entry = Entry {
            source_type: moved.source_type,
            source_id: moved.source_id,
            entry_on,
            document_on: moved.on,
            description: moved.description,
            currency: moved.value.currency(),
            postings: vec![(debit, moved.value.minor()), (credit, -moved.value.minor())],
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
