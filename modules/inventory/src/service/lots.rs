//! Lots and serial numbers: making them as they come, and whether they can be promised.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use contracts::ids::{LotId, ProductId, StockMoveId, WarehouseId};
use kernel::date::check_date;
use kernel::db::{Tx, execute, insert_all, query_all};
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter,
};

use crate::entities::lot::{self, LotStatus};
use crate::entities::product::{self, Tracking};
use crate::entities::stock_move::{self, LocationKind};
use crate::entities::{bin, location};
use crate::error::{Error, internal};
use crate::routes::lots::{
    BlockLot, IdentifyLots, ListLots, Lot, LotPatch, LotQuantity, MoveLots, NewLotQuantity,
};
use crate::service::backorders::fill_backorders;
use crate::service::bin_choice::take;
use crate::service::bin_rows::{sent, stored};
use crate::service::bins::{Cause, Ledger, Part, Place, short};
use crate::service::levels::{Key, Levels};
use crate::service::named_lots::{Known, known};
use crate::service::picking_ends::give_up_bins;
use crate::service::promises::break_newest;
use crate::service::references::check_fineness;
use crate::service::{MAX_RECEIPT_LINES, Service};

impl Service {
    pub(crate) async fn list_lots(&self, query: ListLots) -> Result<Page<lot::Model>> {
        use lot::Column;
        let mut select = lot::Entity::find();
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(number) = query.number {
            select = select.filter(Column::Number.eq(number.into_string()));
        }
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &lot::Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "lots", &request).await
    }

    pub(crate) async fn lot(&self, id: LotId) -> Result<lot::Model> {
        let found = lot::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("lot", id))
    }

    pub(crate) async fn update_lot(&self, ctx: &Ctx, id: LotId, patch: LotPatch) -> Result<Reply> {
        if let Some(Some(date)) = patch.expires_on {
            check_date(date, "/expires_on")?;
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let today = tx.now().date_naive();
        let after = self
            .change_lot(&mut tx, Some(ctx), id, patch.break_reservations, |lot| {
                if let Some(note) = patch.note {
                    lot.note = note.map(Into::into);
                }
                if let Some(expires_on) = patch.expires_on {
                    lot.expires_on = expires_on;
                }
                if matches!(lot.status, LotStatus::Active | LotStatus::Expired) {
                    lot.status = status_on(today, lot.expires_on);
                }
                Ok(())
            })
            .await?;
        tx.reply(Reply::ok(&after)).await
    }

    /// Keeps a lot from being promised, for now or for good, or lets it be again.
    pub(crate) async fn move_lot(
        &self,
        ctx: &Ctx,
        id: LotId,
        to: LotStatus,
        block: BlockLot,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let today = tx.now().date_naive();
        let after = self
            .change_lot(&mut tx, Some(ctx), id, block.break_reservations, |lot| {
                let is_allowed = match to {
                    LotStatus::Active => lot.status == LotStatus::Quarantined,
                    LotStatus::Quarantined => lot.status == LotStatus::Active,
                    LotStatus::Recalled => lot.status != LotStatus::Recalled,
                    LotStatus::Expired => lot.status == LotStatus::Active,
                };
                if !is_allowed {
                    return Err(Error::LotTransition.into());
                }
                lot.status = match to {
                    LotStatus::Active => status_on(today, lot.expires_on),
                    other => other,
                };
                lot.note = Some(block.reason.into());
                Ok(())
            })
            .await?;
        tx.reply(Reply::ok(&after)).await
    }

    /// What expired before today can be promised no longer.
    pub(crate) async fn expire_lots(&self, ctx: &Ctx, today: NaiveDate) -> Result<()> {
        use lot::Column;
        loop {
            // One at a time: each locks all levels of its product.
            let due = lot::Entity::find()
                .filter(Column::Status.eq(LotStatus::Active))
                .filter(Column::ExpiresOn.lt(today));
            let Some(lot) = due.one(self.db.read()).await? else { return Ok(()) };
            let mut tx = self.db.begin(ctx).await?;
            let expire = |lot: &mut lot::Model| {
                if lot.status == LotStatus::Active {
                    lot.status = status_on(today, lot.expires_on);
                }
                Ok(())
            };
            self.change_lot(&mut tx, None, lot.id, true, expire).await?;
            tx.commit().await?;
            tracing::info!(lot.id = %lot.id, "a lot has expired");
        }
    }

    /// Changes a lot, and what of it can be promised. Promises it no longer covers are broken,
    /// the newest first, if that is allowed.
    async fn change_lot(
        &self,
        tx: &mut Tx,
        ctx: Option<&Ctx>,
        id: LotId,
        break_reservations: bool,
        change: impl FnOnce(&mut lot::Model) -> Result<()>,
    ) -> Result<Lot> {
        let not_found = || kernel::Error::not_found("lot", id);
        let found = lot::Entity::find_by_id(id).one(&**tx).await?;
        let product_id = found.ok_or_else(not_found)?.product_id;
        let mut levels = Levels::lock(tx, &keys_of(tx, product_id).await?).await?;
        let before = tx.lock::<lot::Entity>(id).await?.ok_or_else(not_found)?;
        if let Some(ctx) = ctx {
            ctx.check_version(before.version)?;
        }
        let mut after = before.clone();
        change(&mut after)?;
        // What changes nothing makes no new version.
        if after == before {
            return Ok(Lot::from(before));
        }
        after.version = before.version + 1;
        after.updated_at = tx.now();
        let (was, is) = (before.status == LotStatus::Active, after.status == LotStatus::Active);
        if was != is {
            let bins = bin::Entity::find().filter(bin::Column::LotId.eq(id)).all(&**tx).await?;
            if levels.unknown(bins.iter().map(key_of)).is_some() {
                return Err(Error::ChangedMeanwhile.into());
            }
            if !is {
                give_up_bins(tx, bins.iter().map(|bin| bin.id)).await?;
            }
            let kinds = kinds(tx, &bins).await?;
            let mut touched = BTreeSet::new();
            for bin in &bins {
                let is_blocked = !is || bin.location_id.is_some_and(|id| kinds.contains(&id));
                if is_blocked != bin.is_blocked {
                    let more = match is_blocked {
                        true => bin.quantity,
                        false => bin.quantity.checked_neg().map_err(internal)?,
                    };
                    levels.at(key_of(bin))?.block(more).map_err(internal)?;
                    touched.insert(key_of(bin));
                }
            }
            let sql = "UPDATE bins SET is_blocked = ($2 OR EXISTS (SELECT 1 FROM locations o \
                       WHERE o.id = bins.location_id \
                       AND o.kind IN ('quarantine', 'transit', 'scrap'))) WHERE lot_id = $1";
            execute(&**tx, sql, vec![id.into(), (!is).into()]).await?;
            make_up(tx, &mut levels, touched, break_reservations).await?;
            fill_backorders(tx, &mut levels).await?;
        }
        levels.store(tx).await?;
        let after = after.into_active_model().reset_all().update(&**tx).await?;
        let after = Lot::from(after);
        tx.audit("lot", id.uuid(), Some(&Lot::from(before)), Some(&after))?;
        Ok(after)
    }

    pub(crate) async fn move_lots(&self, id: StockMoveId) -> Result<MoveLots> {
        self.stock_move(id).await?;
        Ok(MoveLots { lots: lots_of_move(self.db.read(), id).await? })
    }

    /// Says of which lots goods are that came without.
    pub(crate) async fn identify_lots(
        &self,
        ctx: &Ctx,
        move_id: StockMoveId,
        request: IdentifyLots,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = stock_move::Entity::find_by_id(move_id).one(&*tx).await?;
        let posted = found.ok_or_else(|| kernel::Error::not_found("stock move", move_id))?;
        let (LocationKind::Warehouse, Some(warehouse_id)) =
            (posted.to_location, posted.warehouse_id)
        else {
            return Err(Error::NothingToIdentify.into());
        };
        let found = product::Entity::find_by_id(posted.product_id).one(&*tx).await?;
        let product = found.ok_or_else(|| kernel::Error::internal("a move of no product"))?;
        let key = Key { product_id: product.id, warehouse_id };
        let mut levels = Levels::lock(&tx, &[key].into()).await?;
        let known = lots_of_move(&*tx, move_id).await?;
        let unknown = known.iter().find(|row| row.lot_id.is_none());
        let unknown = unknown.map_or(Quantity::ZERO, |row| row.quantity);
        let all = request.lots.iter().map(|lot| lot.quantity.get().micros());
        let all = all.fold(0_i64, i64::saturating_add);
        if product.tracking == Tracking::None || all > unknown.micros() {
            return Err(Error::NothingToIdentify.into());
        }
        let wanted = [Wanted { product: &product, lots: &request.lots, pointer: "".into() }];
        let parts = open_lots(&mut tx, &wanted).await?.remove(0);
        let mut bins = stored(&tx, &[key].into()).await?.remove(&key).unwrap_or_default();
        let mut ledger = Ledger::default();
        let cause = Cause::Move(move_id);
        let is_returned = posted.from_location == LocationKind::Customer;
        if is_returned && product.tracking == Tracking::Serial {
            let sent = sent(&tx, posted.source_line_id).await?;
            for (i, (part, lot)) in parts.iter().zip(&request.lots).enumerate() {
                match sent.get(&part.lot_id) {
                    Some(still) if still.is_positive() => ledger.returned.extend(part.lot_id),
                    // Sent and somewhere else since.
                    Some(_) => {}
                    // Something was sent whose number nobody knew.
                    None if sent.contains_key(&None) => {}
                    None => {
                        let number = lot.number.to_string();
                        let pointer = format!("/lots/{i}/number");
                        return Err(Error::SerialNotSent { pointer, number }.into());
                    }
                }
            }
        }
        for part in parts {
            let (taken, missing) = take(&mut bins, part.quantity, |bin| bin.lot_id.is_none());
            if missing.is_positive() {
                let there = part.quantity.checked_sub(missing).map_err(internal)?;
                return Err(short(&tx, key, part.quantity, there).await?);
            }
            for taken in taken {
                let less = taken.quantity.checked_neg().map_err(internal)?;
                levels.at(key)?.block(less).map_err(internal)?;
                ledger.take(&tx, cause, key, &taken)?;
                let location_id = taken.location_id;
                let place = Place { key, location_id, lot_id: part.lot_id };
                ledger.bring(&tx, cause, place, taken.quantity);
            }
        }
        ledger.write(&tx, &mut levels).await?;
        fill_backorders(&mut tx, &mut levels).await?;
        levels.store(&mut tx).await?;
        let after = lots_of_move(&*tx, move_id).await?;
        tx.audit("stock_move_lots", move_id.uuid(), Some(&known), Some(&after))?;
        tx.reply(Reply::plain(&MoveLots { lots: after })).await
    }
}

/// Breaks the promises that some levels no longer cover, if that is allowed.
pub(crate) async fn make_up(
    tx: &mut Tx,
    levels: &mut Levels,
    keys: impl IntoIterator<Item = Key>,
    break_reservations: bool,
) -> Result<()> {
    let mut missing = Vec::new();
    for key in keys {
        let available = levels.at(key)?.available();
        if available.is_negative() {
            let lacks = available.checked_neg().map_err(internal)?;
            if !break_reservations {
                return Err(short(tx, key, lacks, Quantity::ZERO).await?);
            }
            missing.push((key, lacks));
        }
    }
    break_newest(tx, levels, &missing).await
}

/// What a lot is that expires then.
fn status_on(today: NaiveDate, expires_on: Option<NaiveDate>) -> LotStatus {
    match expires_on {
        Some(date) if date < today => LotStatus::Expired,
        _ => LotStatus::Active,
    }
}

/// The lots of one line of a document.
pub(crate) struct Wanted<'a> {
    pub product: &'a product::Model,
    pub lots: &'a [NewLotQuantity],
    /// Of the line.
    pub pointer: String,
}

/// Finds the lots that lines name, and makes those there are not yet; the parts of each line.
pub(crate) async fn open_lots(tx: &mut Tx, lines: &[Wanted<'_>]) -> Result<Vec<Vec<Part>>> {
    let mut wanted: BTreeMap<(ProductId, &str), Option<NaiveDate>> = BTreeMap::new();
    let mut serials = BTreeSet::new();
    for Wanted { product, lots, pointer } in lines {
        for (i, new) in lots.iter().enumerate() {
            let at = |field: &str| format!("{pointer}/lots/{i}/{field}");
            if product.tracking == Tracking::None {
                return Err(Error::LotsNotTracked { pointer: format!("{pointer}/lots") }.into());
            }
            check_fineness(product, new.quantity.get(), &at("quantity"))?;
            if let Some(date) = new.expires_on {
                check_date(date, &at("expires_on"))?;
            }
            let is_serial = product.tracking == Tracking::Serial;
            if is_serial && new.quantity.get() != Quantity::ONE {
                return Err(Error::SerialOfMany { pointer: at("quantity") }.into());
            }
            let id = (product.id, &*new.number);
            if is_serial && !serials.insert(id) {
                return Err(Error::DuplicateSerial { pointer: at("number") }.into());
            }
            let expires_on = wanted.entry(id).or_insert(new.expires_on);
            if expires_on.is_none() {
                *expires_on = new.expires_on;
            }
        }
    }
    if wanted.len() > MAX_RECEIPT_LINES {
        return Err(Error::TooManyLines { most: MAX_RECEIPT_LINES, count: wanted.len() }.into());
    }
    let mut known = known(tx, wanted.keys().copied().collect()).await?;
    make_lots(tx, &mut known, &wanted).await?;
    let mut all = Vec::with_capacity(lines.len());
    for Wanted { product, lots, pointer } in lines {
        let mut parts = Vec::with_capacity(lots.len());
        for (i, new) in lots.iter().enumerate() {
            let lot = &known[&(product.id, new.number.to_string())];
            if new.expires_on.is_some() && new.expires_on != lot.expires_on {
                let pointer = format!("{pointer}/lots/{i}/expires_on");
                return Err(Error::LotDiffers { pointer }.into());
            }
            let quantity = new.quantity.get();
            parts.push(Part { lot_id: Some(lot.id), location_id: None, quantity });
        }
        all.push(parts);
    }
    Ok(all)
}

/// Makes the lots there are not yet, beside those that are known.
pub(crate) async fn make_lots(
    tx: &mut Tx,
    known: &mut Known,
    wanted: &BTreeMap<(ProductId, &str), Option<NaiveDate>>,
) -> Result<()> {
    let today = tx.now().date_naive();
    let mut new = Vec::new();
    for ((product_id, number), expires_on) in wanted {
        let name = (*product_id, (*number).to_owned());
        if known.contains_key(&name) {
            continue;
        }
        let lot = lot::Model {
            id: LotId::new(),
            product_id: *product_id,
            number: (*number).to_owned(),
            expires_on: *expires_on,
            status: status_on(today, *expires_on),
            note: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        known.insert(name, lot.clone());
        new.push(lot);
    }
    let rows = new.iter().cloned().map(IntoActiveModel::into_active_model);
    insert_all(&**tx, rows).await.or_conflict(|| Error::ChangedMeanwhile.into())?;
    for lot in new {
        tx.audit_new("lot", lot.id.uuid(), &Lot::from(lot))?;
    }
    Ok(())
}

/// What a move brought or took of each lot; below zero what it took.
pub(crate) async fn lots_of_move(
    conn: &impl ConnectionTrait,
    id: StockMoveId,
) -> Result<Vec<LotQuantity>> {
    #[derive(FromQueryResult)]
    struct Row {
        lot_id: Option<LotId>,
        number: Option<String>,
        quantity: Quantity,
    }
    let sql = "SELECT e.lot_id, l.number, CAST(SUM(e.quantity) AS BIGINT) AS quantity \
               FROM bin_entries e LEFT JOIN lots l ON l.id = e.lot_id WHERE e.move_id = $1 \
               GROUP BY e.lot_id, l.number HAVING SUM(e.quantity) <> 0 ORDER BY e.lot_id";
    let rows: Vec<Row> = query_all(conn, sql, vec![id.into()]).await?;
    let shown =
        |row: Row| LotQuantity { lot_id: row.lot_id, number: row.number, quantity: row.quantity };
    Ok(rows.into_iter().map(shown).collect())
}

/// Every level of a product.
pub(crate) async fn keys_of(tx: &Tx, product_id: ProductId) -> Result<BTreeSet<Key>> {
    #[derive(FromQueryResult)]
    struct Row {
        warehouse_id: WarehouseId,
    }
    let sql = "SELECT warehouse_id FROM stock_levels WHERE product_id = $1";
    let rows: Vec<Row> = query_all(&**tx, sql, vec![product_id.into()]).await?;
    Ok(rows.into_iter().map(|row| Key { product_id, warehouse_id: row.warehouse_id }).collect())
}

fn key_of(bin: &bin::Model) -> Key {
    Key { product_id: bin.product_id, warehouse_id: bin.warehouse_id }
}

/// The locations among those of some bins that block what lies there.
async fn kinds(tx: &Tx, bins: &[bin::Model]) -> Result<BTreeSet<contracts::ids::LocationId>> {
    let ids: BTreeSet<_> = bins.iter().filter_map(|bin| bin.location_id).collect();
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = location::Entity::find().filter(location::Column::Id.is_in(ids)).all(&**tx).await?;
    Ok(rows.into_iter().filter(|row| row.kind.is_blocked()).map(|row| row.id).collect())
}

impl From<lot::Model> for Lot {
    fn from(model: lot::Model) -> Self {
        Lot {
            id: model.id,
            product_id: model.product_id,
            number: model.number,
            expires_on: model.expires_on,
            status: model.status,
            note: model.note,
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}
