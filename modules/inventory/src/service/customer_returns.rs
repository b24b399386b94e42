//! Customers' returns: what is fit for sale is back on the shelf at its original cost, and what
//! is not is scrapped at it.

use std::collections::HashMap;

use chrono::NaiveDate;
use contracts::events::{IssuedLine, ReturnReceived, ReturnedLine, StockReturned};
use contracts::ids::OrderLineId;
use kernel::Result;
use kernel::db::{Tx, query_all};
use kernel::events::Event;
use kernel::money::Money;
use kernel::quantity::Quantity;
use sea_orm::{FromQueryResult, Value};
use uuid::Uuid;

use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::error::{Error, internal};
use crate::service::backorders::fill_backorders;
use crate::service::bins::Bins;
use crate::service::kit_lines::Parts;
use crate::service::level::Level;
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::stock_periods::first_open_day;
use crate::service::{Service, merge};

impl Service {
    pub(crate) async fn return_received(&self, event: &Event) -> Result<()> {
        let returned: ReturnReceived = event.parse()?;
        if !self.try_return(event, &returned, false).await? {
            self.try_return(event, &returned, true).await?;
        }
        Ok(())
    }

    /// False if a line has no level, as those for kits have none: see `try_reserve`.
    async fn try_return(
        &self,
        event: &Event,
        returned: &ReturnReceived,
        has_kits: bool,
    ) -> Result<bool> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(true) };
        let moved_on = first_open_day(&tx, returned.received_on).await?;
        let fate = |line: &ReturnedLine| (line.order_line_id, line.restock);
        let lines = merge(returned.lines.clone(), fate, |line| &mut line.quantity)?;
        let parts = match has_kits {
            true => Parts::of(&*tx, lines.iter().map(|line| line.order_line_id)).await?,
            false => Parts::default(),
        };
        let mut pieces = Vec::with_capacity(lines.len());
        for line in &lines {
            let exploded = parts.explode(line.order_line_id, key(line), line.quantity)?;
            pieces.extend(exploded.into_iter().map(|piece| (line, piece)));
        }
        let keys = pieces.iter().map(|(_, piece)| piece.key).collect();
        let mut levels = Levels::lock(&tx, &keys).await?;
        if !has_kits && levels.unknown(keys).is_some() {
            return Ok(false);
        }
        let ids = pieces.iter().map(|(_, piece)| piece.line_id);
        let (mut with_customer, left_on) = with_customer(&tx, ids).await?;
        // Nothing is back before it has left.
        let moved_on = left_on.map_or(moved_on, |left_on| moved_on.max(left_on));
        let mut total = Money::zero(self.company.currency);
        let mut moves = Vec::new();
        let (mut back, mut scrapped) = (Vec::new(), Vec::new());
        for (line, piece) in pieces {
            let order_line_id = line.order_line_id;
            // What the customer has is a stock like any other: a part of it goes out at
            // its average, the last part takes the rest, so that all that was issued for
            // a line comes back at exactly its cost (V-5).
            let cost = with_customer
                .entry(piece.line_id)
                .or_default()
                .issue(piece.quantity, &self.company)
                .map_err(|_| Error::ReturnedTooMuch { order_line_id })?;
            let (kind, to) = if line.restock {
                let level = levels.at(piece.key)?;
                level.receive(piece.quantity, cost, &self.company).map_err(internal)?;
                total = total.checked_add(cost).map_err(internal)?;
                note(&mut back, line, cost)?;
                (MoveKind::Return, LocationKind::Warehouse)
            } else {
                note(&mut scrapped, line, cost)?;
                (MoveKind::Scrap, LocationKind::Scrap)
            };
            moves.push(NewMove {
                kind,
                product_id: piece.key.product_id,
                from: LocationKind::Customer,
                to,
                warehouse_id: line.restock.then_some(line.warehouse_id),
                quantity: piece.quantity,
                unit_cost: None,
                value: cost,
                line_id: Some(piece.line_id.uuid()),
                reverses_id: None,
                bins: Bins::AsIssued,
            });
        }
        let posting = Posting {
            source_type: MoveSourceType::Return,
            source_id: returned.return_id.uuid(),
            moved_on,
            reason: None,
            reason_code: None,
        };
        post(&mut tx, &mut levels, posting, moves).await?;
        if !back.is_empty() || !scrapped.is_empty() {
            let stock_returned = StockReturned {
                return_id: returned.return_id,
                order_id: returned.order_id,
                returned_on: moved_on,
                lines: back,
                cost: total,
                scrapped,
            };
            tx.publish(returned.order_id.uuid(), event.aggregate_version, &stock_returned)?;
        }
        fill_backorders(&mut tx, &mut levels).await?;
        levels.store(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Notes what a line, or a part of one, cost: a kit comes back at what its parts cost.
fn note(lines: &mut Vec<IssuedLine>, line: &ReturnedLine, cost: Money) -> Result<()> {
    let ReturnedLine { order_line_id, product_id, quantity, .. } = *line;
    match lines.last_mut().filter(|last| last.order_line_id == order_line_id) {
        Some(last) => last.cost = last.cost.checked_add(cost).map_err(internal)?,
        None => lines.push(IssuedLine { order_line_id, product_id, quantity, cost }),
    }
    Ok(())
}

fn key(line: &ReturnedLine) -> Key {
    Key { product_id: line.product_id, warehouse_id: line.warehouse_id }
}

/// What the customer still has of each order line or part of one, and what it cost; and the first
/// day by which something of each had left.
async fn with_customer(
    tx: &Tx,
    lines: impl Iterator<Item = OrderLineId>,
) -> Result<(HashMap<OrderLineId, Level>, Option<NaiveDate>)> {
    #[derive(FromQueryResult)]
    struct Row {
        source_line_id: Uuid,
        quantity: Quantity,
        value_minor: i64,
        left_on: Option<NaiveDate>,
    }
    let ids: Vec<_> = lines.map(Value::from).collect();
    let marks: Vec<_> = (1..=ids.len()).map(|i| format!("${i}")).collect();
    let sql = format!(
        "SELECT source_line_id, \
         CAST(SUM(CASE kind WHEN 'issue' THEN quantity ELSE -quantity END) AS BIGINT) \
         AS quantity, \
         CAST(SUM(CASE kind WHEN 'issue' THEN value_minor ELSE -value_minor END) AS BIGINT) \
         AS value_minor, MIN(CASE kind WHEN 'issue' THEN moved_on END) AS left_on \
         FROM stock_moves WHERE kind IN ('issue', 'return', 'scrap') \
         AND source_line_id IN ({}) GROUP BY source_line_id",
        marks.join(", ")
    );
    let rows: Vec<Row> = query_all(&**tx, sql, ids).await?;
    let left_on = rows.iter().filter_map(|row| row.left_on).max();
    let level = |row: Row| {
        let (on_hand, value_minor) = (row.quantity, row.value_minor);
        let level = Level { on_hand, value_minor, ..Level::default() };
        (OrderLineId::from_uuid(row.source_line_id), level)
    };
    Ok((rows.into_iter().map(level).collect(), left_on))
}
