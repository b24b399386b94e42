//! Shipments: what leaves is taken off the order's hold and issued at average cost.

use contracts::events::{IssuedLine, ShipmentShipped, ShippedLine, StockIssued};
use kernel::Result;
use kernel::events::Event;
use kernel::money::Money;
use kernel::quantity::Quantity;

use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::error::{Error, internal};
use crate::service::bins::Bins;
use crate::service::holds::{self, End};
use crate::service::kit_lines::{Parts, note_gone};
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::stock_periods::first_open_day;
use crate::service::{Service, merge};

impl Service {
    pub(crate) async fn shipment_shipped(&self, event: &Event) -> Result<()> {
        let shipment: ShipmentShipped = event.parse()?;
        if !self.try_ship(event, &shipment, false).await? {
            self.try_ship(event, &shipment, true).await?;
        }
        Ok(())
    }

    /// False if a line has no level, as those for kits have none: see `try_reserve`.
    async fn try_ship(
        &self,
        event: &Event,
        shipment: &ShipmentShipped,
        has_kits: bool,
    ) -> Result<bool> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(true) };
        let moved_on = first_open_day(&tx, shipment.shipped_on).await?;
        let line_id = |line: &ShippedLine| line.order_line_id;
        let lines = merge(shipment.lines.clone(), line_id, |line| &mut line.quantity)?;
        let parts = match has_kits {
            true => Parts::of(&tx, lines.iter().map(line_id)).await?,
            false => Parts::default(),
        };
        let mut pieces = Vec::with_capacity(lines.len());
        for line in &lines {
            let exploded = parts.explode(line.order_line_id, key(line), line.quantity)?;
            pieces.extend(exploded.into_iter().map(|piece| (line, piece)));
        }
        let keys = pieces.iter().map(|(_, piece)| piece.key).collect();
        let mut levels = Levels::lock_to_issue(&tx, &keys).await?;
        if !has_kits && levels.unknown(keys).is_some() {
            return Ok(false);
        }
        let held = holds::of_order(&tx, shipment.order_id).await?;
        let mut cuts = Vec::new();
        for (line, piece) in &pieces {
            let hold = held.get(&piece.line_id).filter(|hold| hold.key == piece.key);
            let reserved = hold.map_or(Quantity::ZERO, |hold| hold.reserved.min(piece.quantity));
            if reserved < piece.quantity {
                // Orders ships only what is reserved. What is not is taken from what is
                // available, if there is any, or from below nothing: the goods have left.
                tracing::warn!(order.line.id = %line.order_line_id, "shipped without reservation");
            }
            let missing = piece.quantity.checked_sub(reserved).map_err(internal)?;
            // What has left is not waited for, whatever orders hears of it later.
            cuts.extend(hold.map(|hold| (*hold, reserved, missing.min(hold.backordered))));
        }
        holds::cut(&tx, &mut levels, &cuts, End::Consumed).await?;
        let gone = lines.iter().filter(|line| parts.has(line.order_line_id));
        let gone: Vec<_> = gone.map(|line| (line.order_line_id, line.quantity)).collect();
        note_gone(&tx, &gone).await?;
        let asked = pieces.iter().map(|(_, piece)| (piece.key, piece.quantity));
        levels.learn_costs(&tx, asked).await?;
        let mut total = Money::zero(self.company.currency);
        let mut moves = Vec::new();
        let mut issued: Vec<IssuedLine> = Vec::with_capacity(lines.len());
        for (line, piece) in &pieces {
            let short = || Error::NotEnoughToShip { sku: line.sku.clone(), asked: line.quantity };
            let level = levels.at(piece.key)?;
            let cost = level.issue_or_owe(piece.quantity, &self.company).map_err(|_| short())?;
            total = total.checked_add(cost).map_err(internal)?;
            moves.push(NewMove {
                kind: MoveKind::Issue,
                product_id: piece.key.product_id,
                from: LocationKind::Warehouse,
                to: LocationKind::Customer,
                warehouse_id: Some(line.warehouse_id),
                quantity: piece.quantity,
                unit_cost: None,
                value: cost,
                line_id: Some(piece.line_id.uuid()),
                reverses_id: None,
                bins: Bins::Rule,
            });
            let (order_line_id, product_id) = (line.order_line_id, line.product_id);
            // A kit costs what its parts cost.
            match issued.last_mut().filter(|last| last.order_line_id == order_line_id) {
                Some(last) => last.cost = last.cost.checked_add(cost).map_err(internal)?,
                None => {
                    let quantity = line.quantity;
                    issued.push(IssuedLine { order_line_id, product_id, quantity, cost });
                }
            }
        }
        let posting = Posting {
            source_type: MoveSourceType::Shipment,
            source_id: shipment.shipment_id.uuid(),
            moved_on,
            reason: None,
            reason_code: None,
        };
        post(&mut tx, &mut levels, posting, moves).await?;
        let stock_issued = StockIssued {
            shipment_id: shipment.shipment_id,
            order_id: shipment.order_id,
            issued_on: moved_on,
            lines: issued,
            cost: total,
        };
        tx.publish(shipment.order_id.uuid(), event.aggregate_version, &stock_issued)?;
        levels.store(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn key(line: &ShippedLine) -> Key {
    Key { product_id: line.product_id, warehouse_id: line.warehouse_id }
}
