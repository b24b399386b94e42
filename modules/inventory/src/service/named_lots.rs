//! Lots and serial numbers that a line of work names, where the order of the product would choose
//! others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::ids::{ProductId, WarehouseId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, query_all};
use kernel::quantity::Quantity;
use sea_orm::ConnectionTrait;

use crate::entities::lot::{self, LotStatus};
use crate::entities::product::{self, Tracking};
use crate::error::{Error, internal};
use crate::routes::lots::NamedLot;
use crate::service::MAX_RECEIPT_LINES;
use crate::service::bin_choice::take;
use crate::service::bin_rows::{net_of_source, stored};
use crate::service::bins::{BATCH, Part};
use crate::service::levels::Key;
use crate::service::references::check_fineness;

/// The lots of one line.
pub(crate) struct Named<'a> {
    pub product: &'a product::Model,
    pub lots: &'a [NamedLot],
    /// What they are to come to.
    pub quantity: Quantity,
    /// Of the line.
    pub pointer: String,
}

/// A lot that a line names.
#[derive(Debug)]
pub(crate) struct Found {
    pub lot: lot::Model,
    pub quantity: Quantity,
    /// Where it is named.
    pointer: String,
}

impl Found {
    /// Refuses what can be promised to nobody, and so is not to leave.
    pub fn check_active(&self) -> Result<(), Error> {
        match self.lot.status {
            LotStatus::Active => Ok(()),
            _ => {
                let pointer = format!("{}/number", self.pointer);
                Err(Error::LotBlocked { pointer, number: self.lot.number.clone() })
            }
        }
    }

    /// The refusal where so much of it is missing.
    pub fn short(&self, missing: Quantity) -> Result<Error> {
        let available = self.quantity.checked_sub(missing).map_err(internal)?;
        let pointer = format!("{}/quantity", self.pointer);
        let number = self.lot.number.clone();
        Ok(Error::InsufficientLot { pointer, number, available })
    }

    fn part(&self) -> Part {
        Part { lot_id: Some(self.lot.id), location_id: None, quantity: self.quantity }
    }
}

/// The lots that lines name, by line, in their order: they are there, and come to its quantity.
pub(crate) async fn find_lots(tx: &Tx, lines: &[Named<'_>]) -> Result<Vec<Vec<Found>>> {
    let mut wanted = BTreeSet::new();
    let mut serials = BTreeSet::new();
    for Named { product, lots, quantity, pointer } in lines {
        if product.tracking == Tracking::None {
            return Err(Error::LotsNotTracked { pointer: format!("{pointer}/lots") }.into());
        }
        let all = lots.iter().map(|lot| lot.quantity.get().micros());
        if all.fold(0_i64, i64::saturating_add) != quantity.micros() {
            return Err(Error::LotsDoNotAddUp { pointer: format!("{pointer}/lots") }.into());
        }
        for (i, named) in lots.iter().enumerate() {
            let at = |field: &str| format!("{pointer}/lots/{i}/{field}");
            check_fineness(product, named.quantity.get(), &at("quantity"))?;
            let id = (product.id, &*named.number);
            if product.tracking == Tracking::Serial {
                if named.quantity.get() != Quantity::ONE {
                    return Err(Error::SerialOfMany { pointer: at("quantity") }.into());
                }
                if !serials.insert(id) {
                    return Err(Error::DuplicateSerial { pointer: at("number") }.into());
                }
            }
            wanted.insert(id);
        }
    }
    if wanted.len() > MAX_RECEIPT_LINES {
        return Err(Error::TooManyLines { most: MAX_RECEIPT_LINES, count: wanted.len() }.into());
    }
    let known = known(tx, wanted).await?;
    let mut found = Vec::with_capacity(lines.len());
    for Named { product, lots, pointer, .. } in lines {
        let mut of_line = Vec::with_capacity(lots.len());
        for (i, named) in lots.iter().enumerate() {
            let pointer = format!("{pointer}/lots/{i}");
            let lot = known.get(&(product.id, named.number.to_string())).cloned();
            let unknown = || Error::UnknownLot { pointer: format!("{pointer}/number") };
            let lot = lot.ok_or_else(unknown)?;
            of_line.push(Found { lot, quantity: named.quantity.get(), pointer });
        }
        found.push(of_line);
    }
    Ok(found)
}

/// Lots by product and number.
pub(crate) type Known = HashMap<(ProductId, String), lot::Model>;

/// Those that there are of the wanted lots.
pub(crate) async fn known(tx: &Tx, wanted: BTreeSet<(ProductId, &str)>) -> Result<Known> {
    let mut known = Known::new();
    let columns = [("product_id", Column::Uuid), ("number", Column::Text)];
    let wanted: Vec<_> = wanted.into_iter().collect();
    for some in wanted.chunks(BATCH) {
        let rows = some.iter().map(|(id, number)| vec![(*id).into(), (*number).into()]);
        let values = Values::new(tx.get_database_backend(), "k", &columns, rows);
        let (sql, values) = values.statement(
            "SELECT l.* FROM k JOIN lots l ON l.product_id = k.product_id AND l.number = k.number",
        );
        let rows: Vec<lot::Model> = query_all(&**tx, sql, values).await?;
        known.extend(rows.into_iter().map(|row| ((row.product_id, row.number.clone()), row)));
    }
    Ok(known)
}

/// What lines name, by product, to leave a warehouse: of lots that can be promised, as far as they
/// lie there and no picking list has them.
pub(crate) async fn to_send(
    tx: &Tx,
    warehouse_id: WarehouseId,
    lines: &[Named<'_>],
) -> Result<BTreeMap<ProductId, Vec<Part>>> {
    let key = |line: &Named<'_>| Key { product_id: line.product.id, warehouse_id };
    let found = find_lots(tx, lines).await?;
    let mut stored = stored(tx, &lines.iter().map(key).collect()).await?;
    let mut parts: BTreeMap<ProductId, Vec<Part>> = BTreeMap::new();
    for (line, found) in lines.iter().zip(found) {
        for named in found {
            named.check_active()?;
            let part = named.part();
            let bins = stored.entry(key(line)).or_default();
            let (_, missing) = take(bins, part.quantity, |bin| !bin.is_blocked && part.fits(bin));
            if missing.is_positive() {
                return Err(named.short(missing)?.into());
            }
            parts.entry(line.product.id).or_default().push(part);
        }
    }
    Ok(parts)
}

/// What lines name, by line, of what the moves of a source have brought to a warehouse and left
/// there: whatever became of the lots meanwhile.
pub(crate) async fn of_source(
    tx: &Tx,
    (source_id, warehouse_id): (uuid::Uuid, WarehouseId),
    lines: &[Named<'_>],
) -> Result<Vec<Vec<Part>>> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let found = find_lots(tx, lines).await?;
    let mut left = net_of_source(tx, source_id).await?;
    let mut parts = Vec::with_capacity(lines.len());
    for (line, found) in lines.iter().zip(found) {
        let key = Key { product_id: line.product.id, warehouse_id };
        let left = left.entry(key).or_default();
        let mut of_line = Vec::with_capacity(found.len());
        for named in found {
            let there = left.iter_mut().find(|(lot_id, _)| *lot_id == Some(named.lot.id));
            let is = there.as_ref().map_or(Quantity::ZERO, |(_, quantity)| *quantity);
            let missing = named.quantity.checked_sub(is).map_err(internal)?;
            if missing.is_positive() {
                return Err(named.short(missing)?.into());
            }
            if let Some((_, quantity)) = there {
                *quantity = quantity.checked_sub(named.quantity).map_err(internal)?;
            }
            of_line.push(named.part());
        }
        parts.push(of_line);
    }
    Ok(parts)
}
