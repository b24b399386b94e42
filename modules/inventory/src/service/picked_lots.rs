//! What was picked of other lots than the list says.

use std::collections::{BTreeSet, HashMap};

use contracts::ids::ProductId;
use kernel::Result;
use kernel::db::Tx;
use kernel::quantity::Quantity;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::entities::{picking_line, product};
use crate::error::internal;
use crate::routes::lots::NamedLot;
use crate::service::bin_choice::{Stored, Taken, take};
use crate::service::bin_rows::stored;
use crate::service::levels::Key;
use crate::service::named_lots::{Named, find_lots};

/// A line for which somebody says what was taken.
pub(crate) struct Wanted<'a> {
    pub line: picking_line::Model,
    pub picked: Quantity,
    pub lots: &'a [NamedLot],
    /// Of the line.
    pub pointer: String,
}

/// The lines as they were picked, each first, and after it those that have to be added for what is
/// of further lots or places. What the lines held before is free for all of them.
pub(crate) async fn choose(tx: &Tx, lines: &[Wanted<'_>]) -> Result<Vec<Vec<picking_line::Model>>> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let products = products_of(tx, lines).await?;
    let named = lines.iter().filter_map(|wanted| {
        let product = products.get(&wanted.line.product_id)?;
        let (lots, quantity, pointer) = (wanted.lots, wanted.picked, wanted.pointer.clone());
        Some(Named { product, lots, quantity, pointer })
    });
    let found = find_lots(tx, &named.collect::<Vec<_>>()).await?;
    let key = |line: &picking_line::Model| Key {
        product_id: line.product_id,
        warehouse_id: line.warehouse_id,
    };
    let mut stored = stored(tx, &lines.iter().map(|wanted| key(&wanted.line)).collect()).await?;
    for Wanted { line, .. } in lines {
        let bins = stored.entry(key(line)).or_default();
        if let Some(bin) = bins.iter_mut().find(|bin| Some(bin.id) == line.bin_id) {
            bin.allocated = bin.allocated.checked_sub(line.allocated).map_err(internal)?;
        }
    }
    let mut picked = Vec::with_capacity(lines.len());
    for (Wanted { line, picked: all, .. }, mut found) in lines.iter().zip(found) {
        let bins = stored.entry(key(line)).or_default();
        let is_other = |lot_id| line.lot_id != Some(lot_id);
        found.sort_by_key(|named| is_other(named.lot.id));
        // What of it was shipped before anybody said so was of the lot that is listed.
        let gone = line.quantity.checked_sub(line.allocated).map_err(internal)?;
        let mut left = (*all).min(line.allocated);
        let mut parts = Vec::new();
        for named in found {
            named.check_active()?;
            let mut asked = named.quantity;
            if !is_other(named.lot.id) {
                asked = asked.checked_sub(asked.min(gone)).map_err(internal)?;
            }
            let asked = asked.min(left);
            let fits = |bin: &Stored| !bin.is_blocked && bin.lot_id == Some(named.lot.id);
            let is_there = |bin: &Stored| fits(bin) && bin.location_id == line.location_id;
            // At the place that is listed, or else anywhere.
            let (near, missing) = take(bins, asked, is_there);
            let (far, missing) = take(bins, missing, fits);
            if missing.is_positive() {
                return Err(named.short(missing)?.into());
            }
            parts.extend(near.into_iter().chain(far));
            left = left.checked_sub(asked).map_err(internal)?;
        }
        picked.push(split(line, *all, &parts)?);
    }
    Ok(picked)
}

/// The line as it was picked: what is of another bin than the first of it is a line of its own.
fn split(
    line: &picking_line::Model,
    picked: Quantity,
    parts: &[Taken],
) -> Result<Vec<picking_line::Model>> {
    let of = |part: &Taken| picking_line::Model {
        id: Uuid::now_v7(),
        location_id: part.location_id,
        lot_id: part.lot_id,
        bin_id: Some(part.bin_id),
        quantity: part.quantity,
        picked: Some(part.quantity),
        allocated: part.quantity,
        ..line.clone()
    };
    let (mut quantity, mut left) = (line.quantity, picked);
    for part in parts.iter().skip(1) {
        quantity = quantity.checked_sub(part.quantity).map_err(internal)?;
        left = left.checked_sub(part.quantity).map_err(internal)?;
    }
    let mut lines: Vec<_> = parts.iter().map(of).collect();
    let Some(first) = lines.first_mut() else {
        return Ok(vec![picking_line::Model { allocated: Quantity::ZERO, ..line.clone() }]);
    };
    (first.id, first.quantity, first.picked) = (line.id, quantity, Some(left));
    Ok(lines)
}

async fn products_of(tx: &Tx, lines: &[Wanted<'_>]) -> Result<HashMap<ProductId, product::Model>> {
    let ids: BTreeSet<_> = lines.iter().map(|wanted| wanted.line.product_id).collect();
    let rows = product::Entity::find().filter(product::Column::Id.is_in(ids)).all(&**tx).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}
