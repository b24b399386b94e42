//! Posting what a stock count found to differ, by lot where it was counted by lot.

use std::collections::{BTreeMap, BTreeSet};

use contracts::events::StockAdjusted;
use contracts::ids::{LotId, ProductId, WarehouseId};
use kernel::Result;
use kernel::db::Tx;
use kernel::money::Money;
use kernel::quantity::Quantity;

use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::entities::{stock_count, stock_count_line};
use crate::error::{Error, internal};
use crate::service::Service;
use crate::service::adjustments::magnitude;
use crate::service::backorders::fill_backorders;
use crate::service::bin_choice::Stored;
use crate::service::bin_rows::stored;
use crate::service::bins::{Bins, Part};
use crate::service::counted_lots::CountedLots;
use crate::service::levels::{Key, Levels};
use crate::service::lots::make_up;
use crate::service::moves::{NewMove, Posting, post};
use crate::service::pick_losses::free_held;
use crate::service::promises::break_newest;

/// What differs of a product: below zero what is less.
pub(crate) struct Variance {
    pub line: stock_count_line::Model,
    pub quantity: Quantity,
    /// Of each lot that differs; empty where it was not counted by lot.
    pub lots: Vec<(Option<LotId>, Quantity)>,
}

/// What differs, and by how much.
pub(crate) fn variances(
    lines: &BTreeMap<ProductId, stock_count_line::Model>,
    lots: &CountedLots,
) -> Result<Vec<Variance>> {
    let mut found = Vec::new();
    for line in lines.values() {
        let (Some(book), Some(counted)) = (line.book, line.counted) else { continue };
        let quantity = counted.checked_sub(book).map_err(internal)?;
        let mut by_lot = Vec::new();
        for lot in lots.get(&line.id).into_iter().flatten() {
            let quantity = lot.counted.checked_sub(lot.book).map_err(internal)?;
            if !quantity.is_zero() {
                by_lot.push((lot.lot_id, quantity));
            }
        }
        if !quantity.is_zero() || !by_lot.is_empty() {
            found.push(Variance { line: line.clone(), quantity, lots: by_lot });
        }
    }
    Ok(found)
}

/// What is more or less of a product by its lots; and what is less of some lots and as much more
/// of others, so that the product is worth what it was.
#[derive(Debug, Default, PartialEq)]
struct Sides {
    net: Vec<Part>,
    less: Vec<Part>,
    more: Vec<Part>,
}

impl Sides {
    fn of(lots: &[(Option<LotId>, Quantity)]) -> Result<Self> {
        let (mut less, mut more) = (Vec::new(), Vec::new());
        for (lot_id, variance) in lots {
            let (lot_id, quantity) = (*lot_id, magnitude(*variance)?);
            let side = if variance.is_negative() { &mut less } else { &mut more };
            side.push(Part { lot_id, location_id: None, quantity });
        }
        let surplus = sum(&more)?.checked_sub(sum(&less)?).map_err(internal)?;
        let larger = if surplus.is_negative() { &mut less } else { &mut more };
        let net = split_off(larger, magnitude(surplus)?)?;
        Ok(Sides { net, less, more })
    }
}

fn sum(parts: &[Part]) -> Result<Quantity> {
    let add = |sum: Quantity, part: &Part| sum.checked_add(part.quantity).map_err(internal);
    parts.iter().try_fold(Quantity::ZERO, add)
}

/// Takes so much off the end of some parts.
fn split_off(parts: &mut Vec<Part>, quantity: Quantity) -> Result<Vec<Part>> {
    let (mut missing, mut taken) = (quantity, Vec::new());
    while missing.is_positive()
        && let Some(last) = parts.pop()
    {
        let quantity = last.quantity.min(missing);
        missing = missing.checked_sub(quantity).map_err(internal)?;
        let left = last.quantity.checked_sub(quantity).map_err(internal)?;
        if left.is_positive() {
            parts.push(Part { quantity: left, ..last });
        }
        taken.push(Part { quantity, ..last });
    }
    Ok(taken)
}

/// What there is of a lot, and what of it is blocked.
fn there(bins: &[Stored], lot_id: Option<LotId>) -> Result<(Quantity, Quantity)> {
    let (mut all, mut blocked) = (Quantity::ZERO, Quantity::ZERO);
    for bin in bins.iter().filter(|bin| bin.lot_id == lot_id) {
        all = all.checked_add(bin.quantity).map_err(internal)?;
        if bin.is_blocked {
            blocked = blocked.checked_add(bin.quantity).map_err(internal)?;
        }
    }
    Ok((all, blocked))
}

impl Service {
    pub(super) async fn post_variances(
        &self,
        tx: &mut Tx,
        count: &stock_count::Model,
        mut levels: Levels,
        variances: Vec<Variance>,
    ) -> Result<()> {
        if variances.is_empty() {
            return Ok(());
        }
        let warehouse_id = count.warehouse_id;
        let key = |variance: &Variance| Key { product_id: variance.line.product_id, warehouse_id };
        let by_lot = variances.iter().filter(|variance| !variance.lots.is_empty());
        let by_lot: BTreeSet<_> = by_lot.map(key).collect();
        make_room(tx, &mut levels, &variances, warehouse_id).await?;
        let mut moves = Vec::with_capacity(variances.len());
        // By move, what is told of it.
        let mut told = Vec::with_capacity(variances.len());
        let changed = || kernel::Error::internal("a level changed under its lock");
        for variance in &variances {
            let (line, level) = (&variance.line, levels.at(key(variance))?);
            let new = |comes_in: bool, quantity, value, bins| {
                let (from, to) = match comes_in {
                    true => (LocationKind::Adjustment, LocationKind::Warehouse),
                    false => (LocationKind::Warehouse, LocationKind::Adjustment),
                };
                NewMove {
                    kind: MoveKind::Adjustment,
                    product_id: line.product_id,
                    from,
                    to,
                    warehouse_id: Some(warehouse_id),
                    quantity,
                    unit_cost: None,
                    value,
                    line_id: None,
                    reverses_id: None,
                    bins,
                }
            };
            let sides = Sides::of(&variance.lots)?;
            let quantity = magnitude(variance.quantity)?;
            if quantity.is_positive() {
                let too_large = |source| Error::TooLarge { pointer: String::new(), source };
                let comes_in = variance.quantity.is_positive();
                let value = match line.unit_cost {
                    _ if !comes_in => {
                        level.issue(quantity, &self.company).map_err(|_| changed())?
                    }
                    None if level.balance().is_zero() => {
                        let product_id = line.product_id;
                        return Err(Error::CostOfFoundRequired { product_id }.into());
                    }
                    Some(unit_cost) if level.on_hand.is_zero() => {
                        level.receive_at(quantity, unit_cost, &self.company).map_err(too_large)?
                    }
                    _ => level.receive_at_average(quantity, &self.company).map_err(too_large)?,
                };
                let bins = match variance.lots.is_empty() {
                    true => Bins::Any,
                    false => Bins::Counted(sides.net),
                };
                moves.push(new(comes_in, quantity, value, bins));
                told.push(Some(variance.quantity));
            }
            if !sides.less.is_empty() {
                // What it goes at it comes back at, and the level stays as it is.
                let quantity = sum(&sides.less)?;
                let value = level.cost_of(quantity, &self.company).map_err(|_| changed())?;
                moves.push(new(false, quantity, value, Bins::Counted(sides.less)));
                moves.push(new(true, quantity, value, Bins::Counted(sides.more)));
                told.extend([None, None]);
            }
        }
        let reason = "Stock count".to_owned();
        let posting = Posting {
            source_type: MoveSourceType::StockCount,
            source_id: count.id.uuid(),
            moved_on: tx.now().date_naive(),
            reason: Some(reason.clone()),
            reason_code: None,
        };
        let posted = post(tx, &mut levels, posting, moves).await?;
        for (posted, told) in posted.iter().zip(told) {
            let Some(variance) = told else { continue };
            let minor = posted.value.minor() * variance.micros().signum();
            let adjusted = StockAdjusted {
                move_id: posted.id,
                product_id: posted.product_id,
                warehouse_id,
                adjusted_on: posted.moved_on,
                quantity: variance,
                value: Money::new(minor, posted.value.currency()),
                reason: reason.clone(),
                is_cost_of_sales: false,
            };
            // A count does not read the products; their version tells nothing here.
            tx.publish(posted.product_id.uuid(), 0, &adjusted)?;
        }
        if !by_lot.is_empty() {
            // What was found instead may be of a lot that is promised to nobody.
            make_up(tx, &mut levels, by_lot, true).await?;
        }
        fill_backorders(tx, &mut levels).await?;
        levels.store(tx).await
    }
}

/// Breaks the promises that stand against what is less, and frees what picking lists hold of lots
/// that are gone. What is blocked is promised to nobody.
async fn make_room(
    tx: &mut Tx,
    levels: &mut Levels,
    variances: &[Variance],
    warehouse_id: WarehouseId,
) -> Result<()> {
    let key = |variance: &Variance| Key { product_id: variance.line.product_id, warehouse_id };
    let by_lot = variances.iter().filter(|variance| !variance.lots.is_empty());
    let stored = stored(tx, &by_lot.map(key).collect()).await?;
    let (mut missing, mut outdated, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for variance in variances {
        let key = key(variance);
        let level = levels.at(key)?;
        let less = variance.quantity.checked_neg().map_err(internal)?;
        let mut is_outdated = less > level.on_hand;
        let mut blocked = if variance.lots.is_empty() { level.blocked } else { Quantity::ZERO };
        let bins = stored.get(&key).map_or(&[][..], Vec::as_slice);
        let mut parts = Vec::new();
        for (lot_id, less) in variance.lots.iter().filter(|(_, lot)| lot.is_negative()) {
            let (lot_id, quantity) = (*lot_id, magnitude(*less)?);
            let (all, of_it_blocked) = there(bins, lot_id)?;
            is_outdated |= quantity > all;
            blocked = blocked.checked_add(quantity.min(of_it_blocked)).map_err(internal)?;
            // What is of no known lot is on no list.
            parts.extend(lot_id.map(|_| Part { lot_id, location_id: None, quantity }));
        }
        if is_outdated {
            outdated.push(key.product_id);
            continue;
        }
        let left = level.available().checked_add(blocked).map_err(internal)?;
        if less > left {
            missing.push((key, less.checked_sub(left).map_err(internal)?));
        }
        gone.push((key, parts));
    }
    if !outdated.is_empty() {
        outdated.truncate(100);
        return Err(Error::CountOutdated { product_ids: outdated }.into());
    }
    break_newest(tx, levels, &missing).await?;
    gone.retain(|(_, parts)| !parts.is_empty());
    let gone: Vec<_> = gone.iter().map(|(key, parts)| (*key, parts.as_slice())).collect();
    free_held(tx, levels, &gone).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_less_of_one_lot_and_more_of_another_is_taken_apart() {
        let [a, b, c] = [(); 3].map(|()| Some(LotId::new()));
        let units = |units| Quantity::from_units(units).expect("in range");
        let parts = |lots: &[(Option<LotId>, i64)]| {
            let part = |(lot_id, quantity): &(Option<LotId>, i64)| Part {
                lot_id: *lot_id,
                location_id: None,
                quantity: units(*quantity),
            };
            lots.iter().map(part).collect::<Vec<_>>()
        };
        type Lots<'a> = &'a [(Option<LotId>, i64)];
        let check = |lots: Lots<'_>, net: Lots<'_>, less: Lots<'_>, more: Lots<'_>| {
            let lots: Vec<_> = lots.iter().map(|(id, quantity)| (*id, units(*quantity))).collect();
            let expected = Sides { net: parts(net), less: parts(less), more: parts(more) };
            assert_eq!(Sides::of(&lots).expect("in range"), expected, "{lots:?}");
        };
        check(&[], &[], &[], &[]);
        check(&[(a, -2)], &[(a, 2)], &[], &[]);
        check(&[(a, 3), (b, 1)], &[(b, 1), (a, 3)], &[], &[]);
        check(&[(a, -2), (b, 2)], &[], &[(a, 2)], &[(b, 2)]);
        check(&[(a, -3), (b, 2)], &[(a, 1)], &[(a, 2)], &[(b, 2)]);
        check(&[(a, -1), (b, 2), (c, 3)], &[(c, 3), (b, 1)], &[(a, 1)], &[(b, 1)]);
        check(&[(None, -4), (a, 2), (b, -1)], &[(b, 1), (None, 2)], &[(None, 2)], &[(a, 2)]);
    }
}
