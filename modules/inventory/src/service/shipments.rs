//! Shipments: what leaves is taken off the order's hold and issued at average cost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use contracts::events::{IssuedLine, ShipmentShipped, ShippedLine, StockIssued};
use kernel::Result;
use kernel::db::Tx;
use kernel::events::Event;
use kernel::money::Money;
use kernel::quantity::Quantity;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::entities::product;
use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::error::{Error, internal};
use crate::service::adjustments::publish_adjusted;
use crate::service::backorders::fill_and_promise;
use crate::service::bins::Bins;
use crate::service::days::{days_since, lost_since};
use crate::service::holds::{self, End};
use crate::service::kit_lines::{Parts, note_gone};
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::picking_ends::note_all_shipped;
use crate::service::promises::break_newest;
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
            true => Parts::of(&*tx, lines.iter().map(line_id)).await?,
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
        let (mut cuts, mut all_shipped) = (Vec::new(), Vec::new());
        for (line, piece) in &pieces {
            let hold = held.get(&piece.line_id).filter(|hold| hold.key == piece.key);
            let reserved = hold.map_or(Quantity::ZERO, |hold| hold.reserved.min(piece.quantity));
            if reserved < piece.quantity {
                // Orders ships only what is reserved, but a promise may be broken before this is
                // heard. The goods have left all the same: see `make_room`.
                tracing::warn!(order.line.id = %line.order_line_id, "shipped without reservation");
            }
            let missing = piece.quantity.checked_sub(reserved).map_err(internal)?;
            // What has left is not waited for, whatever orders hears of it later.
            let waited = hold.map_or(Quantity::ZERO, |hold| hold.backordered.min(missing));
            cuts.extend(hold.map(|hold| (*hold, reserved, waited)));
            if hold.is_none_or(|hold| (hold.reserved, hold.backordered) == (reserved, waited)) {
                all_shipped.push(piece.line_id);
            }
        }
        holds::cut(&tx, &mut levels, &cuts, End::Consumed).await?;
        note_all_shipped(&tx, all_shipped).await?;
        let waited = || cuts.iter().filter(|(.., backordered)| backordered.is_positive());
        let freed: BTreeSet<_> = waited().map(|(hold, ..)| hold.key).collect();
        let kits: BTreeSet<_> = waited().filter_map(|(hold, ..)| hold.kit_line_id).collect();
        let gone = lines.iter().filter(|line| parts.has(line.order_line_id));
        let gone: Vec<_> = gone.map(|line| (line.order_line_id, line.quantity)).collect();
        note_gone(&tx, &gone).await?;
        let mut asked: BTreeMap<Key, Quantity> = BTreeMap::new();
        for (_, piece) in &pieces {
            let sum = asked.entry(piece.key).or_default();
            *sum = sum.checked_add(piece.quantity).map_err(internal)?;
        }
        self.make_room(&mut tx, &mut levels, shipment, &asked, moved_on).await?;
        levels.learn_costs(&tx, asked.iter().map(|(key, quantity)| (*key, *quantity))).await?;
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
                bins: Bins::Any,
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
        let moved_on = first_day(&tx, &mut levels, &asked, moved_on).await?;
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
        if !freed.is_empty() {
            fill_and_promise(&mut tx, &mut levels, &freed, kits).await?;
        }
        levels.store(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The day of what was shipped on `day`, or the first later one on which it was there: nothing
/// leaves before it has come (I-14, C6). What may be below nothing may.
async fn first_day(
    tx: &Tx,
    levels: &mut Levels,
    asked: &BTreeMap<Key, Quantity>,
    day: NaiveDate,
) -> Result<NaiveDate> {
    let mut first = day;
    if day >= tx.now().date_naive() {
        return Ok(first);
    }
    for (key, days) in days_since(tx, asked.keys().copied(), day).await? {
        let level = levels.at(key)?;
        if !level.allows_negative {
            first = first.max(lost_since(level, &days).unwrap_or(day));
        }
    }
    Ok(first)
}

impl Service {
    /// Makes what has left postable, whatever became of its reservation meanwhile. What is
    /// promised to others is broken, the newest first; what is blocked has left as well, if that
    /// is what was there (`Bins::Any`). Where the books have less than has left, and may not go
    /// below nothing, what was there beyond them is found first: at what the last of it cost.
    async fn make_room(
        &self,
        tx: &mut Tx,
        levels: &mut Levels,
        shipment: &ShipmentShipped,
        asked: &BTreeMap<Key, Quantity>,
        moved_on: NaiveDate,
    ) -> Result<()> {
        let (mut promised, mut beyond) = (Vec::new(), Vec::new());
        for (key, asked) in asked {
            let level = levels.at(*key)?;
            let short = asked.micros() - level.unreserved().micros();
            if short > 0 && level.reserved.is_positive() {
                let broken = short.min(level.reserved.micros());
                promised.push((*key, Quantity::from_micros(broken)));
            }
            if *asked > level.on_hand && !level.allows_negative {
                beyond.push((*key, asked.checked_sub(level.on_hand).map_err(internal)?));
            }
        }
        break_newest(tx, levels, &promised).await?;
        if beyond.is_empty() {
            return Ok(());
        }
        levels.learn_last_costs(tx, beyond.iter().map(|(key, _)| *key)).await?;
        let mut moves = Vec::with_capacity(beyond.len());
        for (key, quantity) in &beyond {
            let level = levels.at(*key)?;
            let minor = level.provisional_minor(*quantity, &self.company).unwrap_or(0);
            let value = Money::try_new(minor, self.company.currency).map_err(internal)?;
            level.receive(*quantity, value, &self.company).map_err(internal)?;
            moves.push(NewMove {
                kind: MoveKind::Adjustment,
                product_id: key.product_id,
                from: LocationKind::Adjustment,
                to: LocationKind::Warehouse,
                warehouse_id: Some(key.warehouse_id),
                quantity: *quantity,
                unit_cost: None,
                value,
                line_id: None,
                reverses_id: None,
                bins: Bins::Rule,
            });
        }
        let posting = Posting {
            source_type: MoveSourceType::Adjustment,
            source_id: Uuid::now_v7(),
            moved_on,
            reason: Some(format!("Shipped beyond the books: {}", shipment.number)),
            reason_code: None,
        };
        let ids = beyond.iter().map(|(key, _)| key.product_id);
        let products = product::Entity::find().filter(product::Column::Id.is_in(ids));
        let products: HashMap<_, _> =
            products.all(&**tx).await?.into_iter().map(|row| (row.id, row)).collect();
        let posted = post(tx, levels, posting, moves).await?;
        for (posted, (key, _)) in posted.iter().zip(&beyond) {
            // A level has a product by foreign key.
            let Some(product) = products.get(&key.product_id) else { continue };
            publish_adjusted(tx, posted, product, key.warehouse_id, true)?;
        }
        Ok(())
    }
}

fn key(line: &ShippedLine) -> Key {
    Key { product_id: line.product_id, warehouse_id: line.warehouse_id }
}
