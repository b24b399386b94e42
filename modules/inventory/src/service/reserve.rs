//! Holding stock for orders: the promise inventory makes before an order is confirmed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use contracts::ids::{OrderId, OrderLineId};
use contracts::inventory::{Release, Reserve, ReserveLine, Reserved, ReservedLine};
use kernel::db::Tx;
use kernel::money::AmountError;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::entities::product;
use crate::error::{Error, Shortage};
use crate::service::backorders::{fill_and_promise, fill_backorders};
use crate::service::holds::{self, Hold, NewHold, Table};
use crate::service::kit_lines::{Parts, note_told};
use crate::service::levels::{Key, Levels};
use crate::service::promise_dates::{self, Whose};
use crate::service::{MAX_LINES, Service, check_line_count};

impl Service {
    pub(crate) async fn reserve_for_order(&self, ctx: &Ctx, request: Reserve) -> Result<Reserved> {
        check_lines(&request.lines)?;
        if let Some(reserved) = self.try_reserve(ctx, &request, false).await? {
            return Ok(reserved);
        }
        let reserved = self.try_reserve(ctx, &request, true).await?;
        reserved.ok_or_else(|| kernel::Error::internal("a line is neither known nor unknown"))
    }

    /// Reserves unless a line has no level, as those for kits have none: levels are locked all
    /// at once, so those of the parts are found out in another transaction, before the locks.
    /// Documents without kits need not look for them.
    async fn try_reserve(
        &self,
        ctx: &Ctx,
        asked: &Reserve,
        has_kits: bool,
    ) -> Result<Option<Reserved>> {
        let mut tx = self.db.begin(ctx).await?;
        let parts = match has_kits {
            true => {
                let lines: Vec<_> =
                    asked.lines.iter().map(|line| (line.line_id, line.product_id)).collect();
                Parts::make(&tx, asked.order_id, &lines).await?
            }
            false => Parts::default(),
        };
        let request = explode(asked, &parts)?;
        let mut keys: BTreeSet<_> = request.lines.iter().map(key).collect();
        keys.extend(holds::keys_of_order(&tx, request.order_id).await?);
        let mut levels = Levels::lock(&tx, &keys).await?;
        if let Some(unknown) = levels.unknown(request.lines.iter().map(key)) {
            return match has_kits {
                true => Err(unknown_reference(&tx, asked, &parts, unknown).await?),
                false => Ok(None),
            };
        }
        let held = holds::of_order(&tx, request.order_id).await?;
        if stands(&held, &request) {
            holds::set_expiry(&tx, request.order_id, Some(request.expires_at)).await?;
            tx.commit().await?;
            return Ok(Some(answer(&asked.lines, &parts, &held)));
        }
        // What is held for other lines is left from an attempt whose end nobody saw.
        holds::give_up(&tx, &mut levels, held.values().copied()).await?;
        if !request.allow_backorder {
            let short = shortages(&request.lines, &mut levels)?;
            if !short.is_empty() {
                return Err(not_enough(&tx, short).await?);
            }
        }
        let lines = request.lines.iter().map(|line| (line.line_id, key(line), line.quantity));
        let mut taken = take(&mut levels, lines)?;
        hold(&tx, request.order_id, &taken, Some(request.expires_at)).await?;
        date(&tx, &mut levels, request.order_id, &mut taken).await?;
        let reserved = collapse(&asked.lines, &parts, taken);
        let told = reserved.lines.iter().filter(|line| parts.has(line.line_id));
        let told: Vec<_> =
            told.map(|line| (line.line_id, line.reserved, line.promised_on)).collect();
        note_told(&tx, &told).await?;
        fill_backorders(&mut tx, &mut levels).await?;
        levels.store(&mut tx).await?;
        let held: Vec<_> = held.into_values().collect();
        let before = (!held.is_empty()).then_some(&held);
        tx.audit("order_hold", request.order_id.uuid(), before, Some(&reserved))?;
        tx.commit().await?;
        Ok(Some(reserved))
    }

    pub(crate) async fn release_order(&self, ctx: &Ctx, request: Release) -> Result<()> {
        let mut tx = self.db.begin(ctx).await?;
        give_up_order(&mut tx, request.order_id).await?;
        tx.commit().await
    }
}

/// Gives up all that an order holds and waits for.
pub(crate) async fn give_up_order(tx: &mut Tx, order_id: OrderId) -> Result<()> {
    let keys = holds::keys_of_order(tx, order_id).await?;
    let mut levels = Levels::lock(tx, &keys).await?;
    let held = holds::of_order(tx, order_id).await?;
    if held.is_empty() {
        return Ok(());
    }
    holds::give_up(tx, &mut levels, held.values().copied()).await?;
    let waited = held.values().filter(|hold| hold.backordered.is_positive());
    let freed = waited.map(|hold| hold.key).collect();
    fill_and_promise(tx, &mut levels, &freed, BTreeSet::new()).await?;
    levels.store(tx).await?;
    let held: Vec<_> = held.into_values().collect();
    tx.audit("order_hold", order_id.uuid(), Some(&held), None::<&()>)
}

/// What a line got of what it asked.
pub(crate) struct Taken {
    pub line: ReservedLine,
    pub key: Key,
}

/// Reserves for each line, in their order, what is available; the rest is backordered.
/// Changes the levels only: [`hold`] writes the rows.
fn take(
    levels: &mut Levels,
    lines: impl IntoIterator<Item = (OrderLineId, Key, Quantity)>,
) -> Result<Vec<Taken>> {
    let mut taken = Vec::new();
    for (line_id, key, asked) in lines {
        let level = levels.at(key)?;
        let reserved = level.reserve_up_to(asked);
        let backordered = asked.checked_sub(reserved).map_err(too_large)?;
        level.backorder(backordered).map_err(too_large)?;
        let line = ReservedLine { line_id, reserved, backordered, promised_on: None };
        taken.push(Taken { line, key });
    }
    Ok(taken)
}

/// Promises what an order waits for, as far as something is known of when it comes.
async fn date(tx: &Tx, levels: &mut Levels, order_id: OrderId, taken: &mut [Taken]) -> Result<()> {
    let available = promise_dates::available(levels, &waits(taken))?;
    let dated = promise_dates::date(tx, &available, Whose::Order(order_id)).await?;
    let days: BTreeMap<_, _> =
        dated.into_iter().map(|row| (row.order_line_id, row.promised_on)).collect();
    for Taken { line, .. } in taken {
        line.promised_on = days.get(&line.line_id).copied();
    }
    Ok(())
}

/// Where something of what was taken waits.
pub(crate) fn waits(taken: &[Taken]) -> BTreeSet<Key> {
    let waits = taken.iter().filter(|taken| taken.line.backordered.is_positive());
    waits.map(|taken| taken.key).collect()
}

/// Writes the rows of what was taken.
pub(crate) async fn hold(
    tx: &Tx,
    order_id: OrderId,
    taken: &[Taken],
    expires_at: Option<DateTime<Utc>>,
) -> Result<()> {
    for table in [Table::Reservations, Table::Backorders] {
        let rows: Vec<_> = taken
            .iter()
            .map(|Taken { line, key }| {
                let quantity = match table {
                    Table::Reservations => line.reserved,
                    Table::Backorders => line.backordered,
                };
                NewHold { order_id, line_id: line.line_id, key: *key, quantity, first_id: None }
            })
            .filter(|row| row.quantity.is_positive())
            .collect();
        holds::add(tx, table, &rows, expires_at).await?;
    }
    Ok(())
}

fn key(line: &ReserveLine) -> Key {
    Key { product_id: line.product_id, warehouse_id: line.warehouse_id }
}

fn check_lines(lines: &[ReserveLine]) -> Result<(), Error> {
    check_line_count(lines.len(), MAX_LINES)?;
    let mut seen = BTreeSet::new();
    for (i, line) in lines.iter().enumerate() {
        if !line.quantity.is_positive() {
            return Err(Error::QuantityNotPositive { pointer: format!("/lines/{i}/quantity") });
        }
        if !seen.insert(line.line_id) {
            return Err(Error::DuplicateLine { pointer: format!("/lines/{i}/line_id") });
        }
    }
    Ok(())
}

/// Whether what is held answers the request as it is: it is committed already, or it is
/// for the same lines.
fn stands(held: &BTreeMap<OrderLineId, Hold>, request: &Reserve) -> bool {
    if held.values().any(|hold| hold.is_lasting) {
        return true;
    }
    held.len() == request.lines.len()
        && request.lines.iter().all(|line| {
            held.get(&line.line_id).is_some_and(|hold| {
                hold.key == key(line)
                    && hold.reserved.checked_add(hold.backordered) == Ok(line.quantity)
                    && (request.allow_backorder || hold.backordered.is_zero())
            })
        })
}

/// The request, with the parts of kits instead of the kits.
fn explode(asked: &Reserve, parts: &Parts) -> Result<Reserve> {
    let mut lines = Vec::with_capacity(asked.lines.len());
    for line in &asked.lines {
        for piece in parts.explode(line.line_id, key(line), line.quantity)? {
            lines.push(ReserveLine {
                line_id: piece.line_id,
                product_id: piece.key.product_id,
                warehouse_id: piece.key.warehouse_id,
                quantity: piece.quantity,
            });
        }
    }
    Ok(Reserve { lines, ..*asked })
}

/// What was taken for the lines asked for, of kits as many as are whole.
fn collapse(asked: &[ReserveLine], parts: &Parts, taken: Vec<Taken>) -> Reserved {
    let taken: HashMap<_, _> = taken.into_iter().map(|t| (t.line.line_id, t.line)).collect();
    let lines = asked.iter().map(|line| {
        let waits = |part: &&ReservedLine| part.backordered.is_positive();
        let (reserved, promised_on) = match taken.get(&line.line_id) {
            Some(own) => (own.reserved, own.promised_on),
            None => {
                let reserved = |id| taken.get(&id).map_or(Quantity::ZERO, |part| part.reserved);
                let day = |id| taken.get(&id).filter(waits).map(|part| part.promised_on);
                (parts.whole(line.line_id, reserved), parts.promised_on(line.line_id, day))
            }
        };
        // A part of what was asked for.
        let backordered = Quantity::from_micros(line.quantity.micros() - reserved.micros());
        ReservedLine { line_id: line.line_id, reserved, backordered, promised_on }
    });
    Reserved { lines: lines.collect() }
}

fn answer(lines: &[ReserveLine], parts: &Parts, held: &BTreeMap<OrderLineId, Hold>) -> Reserved {
    let lines = lines.iter().map(|line| {
        if parts.has(line.line_id) {
            let (reserved, backordered) = parts.held(line.line_id, held);
            let waits = |hold: &&Hold| hold.backordered.is_positive();
            let day = |id| held.get(&id).filter(waits).map(|hold| hold.promised_on);
            let promised_on = parts.promised_on(line.line_id, day);
            return ReservedLine { line_id: line.line_id, reserved, backordered, promised_on };
        }
        let hold = held.get(&line.line_id);
        ReservedLine {
            line_id: line.line_id,
            reserved: hold.map_or(Quantity::ZERO, |hold| hold.reserved),
            backordered: hold.map_or(Quantity::ZERO, |hold| hold.backordered),
            promised_on: hold.and_then(|hold| hold.promised_on),
        }
    });
    Reserved { lines: lines.collect() }
}

/// Where the lines together ask for more than is available: two lines of one product are
/// one demand (I8).
fn shortages(lines: &[ReserveLine], levels: &mut Levels) -> Result<Vec<(Key, Quantity, Quantity)>> {
    let mut demand: BTreeMap<Key, Quantity> = BTreeMap::new();
    for line in lines {
        let asked = demand.entry(key(line)).or_default();
        *asked = asked.checked_add(line.quantity).map_err(too_large)?;
    }
    let mut short = Vec::new();
    for (key, asked) in demand {
        let available = levels.at(key)?.available();
        if asked > available {
            short.push((key, asked, available));
        }
    }
    Ok(short)
}

async fn not_enough(tx: &Tx, short: Vec<(Key, Quantity, Quantity)>) -> Result<kernel::Error> {
    let ids = short.iter().map(|(key, ..)| key.product_id);
    let products =
        product::Entity::find().filter(product::Column::Id.is_in(ids)).all(&**tx).await?;
    let skus: BTreeMap<_, _> = products.into_iter().map(|row| (row.id, row.sku)).collect();
    let shortages = short
        .into_iter()
        .map(|(key, asked, available)| Shortage {
            product_id: key.product_id,
            sku: skus.get(&key.product_id).cloned().unwrap_or_default(),
            warehouse_id: key.warehouse_id,
            asked,
            available,
        })
        .collect();
    Ok(Error::InsufficientStock { shortages }.into())
}

/// Which of the two ids of a key is unknown, at the first line that has it or a part of it.
async fn unknown_reference(
    tx: &Tx,
    asked: &Reserve,
    parts: &Parts,
    unknown: Key,
) -> Result<kernel::Error> {
    let has = |line: &ReserveLine| {
        let pieces = parts.explode(line.line_id, key(line), line.quantity);
        pieces.is_ok_and(|pieces| pieces.iter().any(|piece| piece.key == unknown))
    };
    let line = asked.lines.iter().position(has).unwrap_or_default();
    let product = product::Entity::find_by_id(unknown.product_id).one(&**tx).await?;
    Ok(match product {
        None => Error::UnknownProduct { pointer: format!("/lines/{line}/product_id") },
        Some(_) => Error::UnknownWarehouse { pointer: format!("/lines/{line}/warehouse_id") },
    }
    .into())
}

fn too_large(error: AmountError) -> kernel::Error {
    Error::TooLarge { pointer: "/lines".into(), source: error }.into()
}
