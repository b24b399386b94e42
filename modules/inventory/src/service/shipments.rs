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
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::stock_periods::first_open_day;
use crate::service::{Service, merge};

impl Service {
    pub(crate) async fn shipment_shipped(&self, event: &Event) -> Result<()> {
        let shipment: ShipmentShipped = event.parse()?;
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let moved_on = first_open_day(&tx, shipment.shipped_on).await?;
        let lines = merge(shipment.lines, |line| line.order_line_id, |line| &mut line.quantity)?;
        let keys = lines.iter().map(key).collect();
        let mut levels = Levels::lock_to_issue(&tx, &keys).await?;
        let held = holds::of_order(&tx, shipment.order_id).await?;
        let mut cuts = Vec::new();
        for line in &lines {
            let hold = held.get(&line.order_line_id).filter(|hold| hold.key == key(line));
            let reserved = hold.map_or(Quantity::ZERO, |hold| hold.reserved.min(line.quantity));
            if reserved < line.quantity {
                // Orders ships only what is reserved. What is not is taken from what is
                // available, if there is any: the goods have left.
                tracing::warn!(order.line.id = %line.order_line_id, "shipped without reservation");
            }
            cuts.extend(hold.map(|hold| (*hold, reserved, Quantity::ZERO)));
        }
        holds::cut(&tx, &mut levels, &cuts, End::Consumed).await?;
        let mut total = Money::zero(self.company.currency);
        let (mut moves, mut issued) = (Vec::new(), Vec::new());
        for line in lines {
            let cost = levels
                .at(key(&line))?
                .issue(line.quantity, &self.company)
                .map_err(|_| Error::NotEnoughToShip { sku: line.sku, asked: line.quantity })?;
            total = total.checked_add(cost).map_err(internal)?;
            let (order_line_id, product_id) = (line.order_line_id, line.product_id);
            let quantity = line.quantity;
            moves.push(NewMove {
                kind: MoveKind::Issue,
                product_id,
                from: LocationKind::Warehouse,
                to: LocationKind::Customer,
                warehouse_id: Some(line.warehouse_id),
                quantity,
                unit_cost: None,
                value: cost,
                line_id: Some(order_line_id.uuid()),
                reverses_id: None,
                bins: Bins::Rule,
            });
            issued.push(IssuedLine { order_line_id, product_id, quantity, cost });
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
        tx.commit().await
    }
}

fn key(line: &ShippedLine) -> Key {
    Key { product_id: line.product_id, warehouse_id: line.warehouse_id }
}
