//! Receipts of purchase orders: what arrived is in stock at the price ordered.

use contracts::events::{ReceiptPosted, ReceivedLine, ReceivedStockLine, StockReceived};
use kernel::Result;
use kernel::events::Event;
use kernel::money::Money;

use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::error::{Error, internal};
use crate::service::backorders::fill_backorders;
use crate::service::bins::Bins;
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::planning::note_received;
use crate::service::stock_periods::first_open_day;
use crate::service::{Service, merge};

impl Service {
    pub(crate) async fn receipt_posted(&self, event: &Event) -> Result<()> {
        let receipt: ReceiptPosted = event.parse()?;
        if receipt.currency != self.company.currency {
            return Err(Error::ForeignCurrency { currency: receipt.currency }.into());
        }
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let moved_on = first_open_day(&tx, receipt.received_on).await?;
        let line_id = |line: &ReceivedLine| line.purchase_order_line_id;
        let lines = merge(receipt.lines, line_id, |line| &mut line.quantity)?;
        let warehouse_id = receipt.warehouse_id;
        let key = |line: &ReceivedLine| Key { product_id: line.product_id, warehouse_id };
        let mut levels = Levels::lock(&tx, &lines.iter().map(key).collect()).await?;
        let mut total = Money::zero(self.company.currency);
        let (mut moves, mut received) = (Vec::new(), Vec::new());
        for line in &lines {
            let value = levels
                .at(key(line))?
                .receive_at(line.quantity, line.unit_cost, &self.company)
                .map_err(internal)?;
            total = total.checked_add(value).map_err(internal)?;
            let line_id = line.purchase_order_line_id;
            moves.push(NewMove {
                kind: MoveKind::Receipt,
                product_id: line.product_id,
                from: LocationKind::Supplier,
                to: LocationKind::Warehouse,
                warehouse_id: Some(warehouse_id),
                quantity: line.quantity,
                unit_cost: Some(line.unit_cost),
                value,
                line_id: Some(line_id.uuid()),
                reverses_id: None,
                bins: Bins::Rule,
            });
            received.push(ReceivedStockLine {
                purchase_order_line_id: line_id,
                product_id: line.product_id,
                quantity: line.quantity,
                value,
            });
        }
        let posting = Posting {
            source_type: MoveSourceType::PurchaseReceipt,
            source_id: receipt.receipt_id.uuid(),
            moved_on,
            reason: None,
            reason_code: None,
        };
        post(&mut tx, &mut levels, posting, moves).await?;
        let stock_received = StockReceived {
            receipt_id: receipt.receipt_id,
            purchase_order_id: receipt.purchase_order_id,
            received_on: moved_on,
            lines: received,
            value: total,
        };
        let purchase_order_id = receipt.purchase_order_id.uuid();
        tx.publish(purchase_order_id, event.aggregate_version, &stock_received)?;
        let came = lines.iter().map(|line| (line.purchase_order_line_id, line.quantity));
        note_received(&tx, came).await?;
        fill_backorders(&mut tx, &mut levels).await?;
        levels.store(&mut tx).await?;
        tx.commit().await
    }
}
