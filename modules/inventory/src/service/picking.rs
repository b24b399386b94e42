//! Picking lists: what is to be taken from where for orders, and that it was.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::ids::{
    LocationId, OrderId, OrderLineId, PickingListId, ProductId, RelocationId, WarehouseId,
};
use kernel::db::{Column, Tx, Values, execute, insert_all, query_all};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QueryOrder,
};
use uuid::Uuid;

use crate::entities::location::{self, PlaceKind};
use crate::entities::picking_list::{self, PickingStatus};
use crate::entities::{bin, picking_line, relocation};
use crate::error::{Error, internal};
use crate::routes::picking::{
    ListPickingLists, NewPickingList, PickLines, PickingLine, PickingList,
};
use crate::service::bin_choice::{Stored, Taken};
use crate::service::bin_rows::stored;
use crate::service::bins::{Cause, Ledger, Place};
use crate::service::levels::{Key, Levels};
use crate::service::picked_lots::{self, Wanted};
use crate::service::references::{check_scope, find_warehouse};
use crate::service::{MAX_LINES, Service, check_line_count};

/// What an order line still has to be picked for.
#[derive(FromQueryResult)]
struct Demand {
    order_id: OrderId,
    order_line_id: OrderLineId,
    product_id: ProductId,
    kit_line_id: Option<OrderLineId>,
    kit_id: Option<ProductId>,
    remaining: Quantity,
    /// Shipped of it so far, of earlier reservations too.
    shipped: Quantity,
    /// Held by other lists, and what they have of levels without bins.
    allocated: Quantity,
    listed: Quantity,
}

impl Service {
    pub(crate) async fn list_picking_lists(
        &self,
        ctx: &Ctx,
        query: ListPickingLists,
    ) -> Result<Page<PickingList>> {
        use picking_list::{Column, Entity, Model};
        let mut select = Entity::find();
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        select = ctx.scope.filter(select, Column::WarehouseId);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        let conn = self.db.read();
        let page = fetch(conn, select, Column::Id, id_of, "picking_lists", &request).await?;
        let mut lines = lines_of(conn, page.data.iter().map(|row| row.id)).await?;
        Ok(page.map(|row| {
            let lines = lines.remove(&row.id).unwrap_or_default();
            present(row, lines)
        }))
    }

    pub(crate) async fn picking_list(&self, id: PickingListId) -> Result<PickingList> {
        let conn = self.db.read();
        let found = picking_list::Entity::find_by_id(id).one(conn).await?;
        let row = found.ok_or_else(|| kernel::Error::not_found("picking list", id))?;
        let lines = lines_of(conn, [id]).await?.remove(&id).unwrap_or_default();
        Ok(present(row, lines))
    }

    /// Holds, for the lines of some orders, what is to be taken from where, in the order of the
    /// walk. Several orders are one wave.
    pub(crate) async fn create_picking_list(
        &self,
        ctx: &Ctx,
        new: NewPickingList,
    ) -> Result<Reply> {
        check_line_count(new.order_ids.len(), 100)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let warehouse_id = find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?.id;
        let key = |product_id| Key { product_id, warehouse_id };
        let first = demand(&tx, warehouse_id, &new.order_ids).await?;
        check_line_count(first.len().max(1), MAX_LINES)?;
        let keys: BTreeSet<_> = first.iter().map(|row| key(row.product_id)).collect();
        let levels = Levels::lock(&tx, &keys).await?;
        // Again, now that nobody else can change it.
        let mut demand = demand(&tx, warehouse_id, &new.order_ids).await?;
        demand.retain(|row| keys.contains(&key(row.product_id)));
        let detailed = keys.iter().copied().filter(|key| levels.is_detailed(*key)).collect();
        let mut bins = stored(&tx, &detailed).await?;
        let mut lines = Vec::new();
        for row in demand {
            let key = key(row.product_id);
            let done = match levels.is_detailed(key) {
                true => row.allocated.micros(),
                false => (row.listed.micros() - row.shipped.micros()).max(0),
            };
            let mut missing = Quantity::from_micros((row.remaining.micros() - done).max(0));
            let line = |quantity: Quantity, bin: Option<&Stored>| picking_line::Model {
                id: Uuid::now_v7(),
                picking_list_id: PickingListId::from_uuid(Uuid::nil()),
                position: 0,
                order_id: row.order_id,
                order_line_id: row.order_line_id,
                product_id: row.product_id,
                warehouse_id,
                location_id: bin.and_then(|bin| bin.location_id),
                lot_id: bin.and_then(|bin| bin.lot_id),
                bin_id: bin.map(|bin| bin.id),
                quantity,
                picked: None,
                allocated: bin.map_or(Quantity::ZERO, |_| quantity),
                kit_line_id: row.kit_line_id,
                kit_id: row.kit_id,
            };
            if !levels.is_detailed(key) {
                if missing.is_positive() {
                    lines.push(line(missing, None));
                }
                continue;
            }
            for bin in bins.entry(key).or_default().iter_mut().filter(|bin| !bin.is_blocked) {
                let quantity = missing.min(bin.free());
                if quantity.is_positive() {
                    missing = missing.checked_sub(quantity).map_err(internal)?;
                    bin.allocated = bin.allocated.checked_add(quantity).map_err(internal)?;
                    lines.push(line(quantity, Some(bin)));
                }
            }
        }
        if lines.is_empty() {
            return Err(Error::NothingToPick.into());
        }
        let id = PickingListId::new();
        walk(&tx, id, &mut lines).await?;
        let row = picking_list::Model {
            id,
            warehouse_id,
            status: PickingStatus::Open,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        row.clone().into_active_model().insert(&*tx).await?;
        insert_all(&*tx, lines.iter().cloned().map(IntoActiveModel::into_active_model)).await?;
        allocate(&tx, &lines, 1).await?;
        let shown = present(row, lines);
        tx.audit_new("picking_list", id.uuid(), &shown)?;
        let location = format!("/api/v1/inventory/picking-lists/{id}");
        tx.reply(Reply::created(&shown, location)).await
    }

    /// Notes what was picked. It goes to where it is shipped from, if the warehouse has such a
    /// place, and stays with its order; what was not found there is held no longer.
    pub(crate) async fn pick_lines(
        &self,
        ctx: &Ctx,
        id: PickingListId,
        request: PickLines,
    ) -> Result<Reply> {
        check_line_count(request.lines.len(), MAX_LINES)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let (mut levels, before, lines) = lock(&tx, ctx, id).await?;
        let shown_before = present(before.clone(), lines.clone());
        let mut by_position: BTreeMap<_, _> =
            lines.into_iter().map(|line| (line.position, line)).collect();
        let output = output(&tx, before.warehouse_id).await?;
        let (mut given_up, mut named, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for (i, asked) in request.lines.iter().enumerate() {
            let pointer = |field: &str| format!("/lines/{i}/{field}");
            let line = by_position.get_mut(&i64::from(asked.position));
            let line = line.filter(|line| line.picked.is_none());
            let line = line.ok_or_else(|| Error::NotOnList { pointer: pointer("position") })?;
            if asked.picked.is_negative() {
                return Err(Error::QuantityNegative { pointer: pointer("picked") }.into());
            }
            if asked.picked > line.quantity {
                return Err(Error::MoreThanListed { pointer: pointer("picked") }.into());
            }
            line.picked = Some(asked.picked);
            changed.push(line.position);
            if !asked.lots.is_empty() {
                let (line, pointer) = (line.clone(), format!("/lines/{i}"));
                named.push(Wanted { line, picked: asked.picked, lots: &asked.lots, pointer });
                continue;
            }
            let keeps = asked.picked.min(line.allocated);
            let less = line.allocated.checked_sub(keeps).map_err(internal)?;
            given_up.push(picking_line::Model { allocated: less, ..line.clone() });
            line.allocated = keeps;
        }
        let (mut held, mut added) = (Vec::new(), Vec::new());
        for (wanted, picked) in named.iter().zip(picked_lots::choose(&tx, &named).await?) {
            given_up.push(wanted.line.clone());
            held.extend(picked.iter().cloned());
            for mut line in picked {
                if line.id != wanted.line.id {
                    let last = by_position.keys().next_back().copied();
                    line.position = last.unwrap_or_default() + 1;
                    added.push(line.position);
                }
                by_position.insert(line.position, line);
            }
        }
        allocate(&tx, &given_up, -1).await?;
        allocate(&tx, &held, 1).await?;
        let relocation_id = RelocationId::new();
        let (mut ledger, mut goes) = (Ledger::default(), Vec::new());
        let lines = changed.iter().chain(&added).filter_map(|position| by_position.get(position));
        for line in lines.filter(|line| line.allocated.is_positive()) {
            let Some(bin_id) = line.bin_id else { continue };
            if output.is_none() || output == line.location_id {
                continue;
            }
            let key = Key { product_id: line.product_id, warehouse_id: line.warehouse_id };
            let (location_id, lot_id, quantity) = (line.location_id, line.lot_id, line.allocated);
            let was_blocked = false;
            let taken =
                Taken { bin_id, location_id, lot_id, quantity, allocated: quantity, was_blocked };
            let cause = Cause::Relocation(relocation_id);
            ledger.take(&tx, cause, key, &taken)?;
            let place = Place { key, location_id: output, lot_id };
            ledger.bring(&tx, cause, place, quantity);
            ledger.keep(place, quantity);
            goes.push((line.position, place));
        }
        if !goes.is_empty() {
            let row = relocation::Model {
                id: relocation_id,
                warehouse_id: before.warehouse_id,
                reason: format!("Picked: {id}"),
                created_at: tx.now(),
            };
            row.into_active_model().insert(&*tx).await?;
            ledger.write(&tx, &mut levels).await?;
            let found = bins_at(&tx, &goes).await?;
            for (position, place) in goes {
                if let Some(line) = by_position.get_mut(&position) {
                    line.bin_id = found.get(&(place.key.product_id, place.lot_id)).copied();
                }
            }
        }
        let lines = |positions: &[i64]| {
            let lines = positions.iter().filter_map(|position| by_position.get(position));
            lines.cloned().collect::<Vec<_>>()
        };
        store(&tx, lines(&changed).iter()).await?;
        let added = lines(&added).into_iter().map(IntoActiveModel::into_active_model);
        insert_all(&*tx, added).await?;
        levels.store(&mut tx).await?;
        let lines: Vec<_> = by_position.into_values().collect();
        let is_done = lines.iter().all(|line| line.picked.is_some());
        let status = if is_done { PickingStatus::Picked } else { PickingStatus::Open };
        self.finish(tx, before, shown_before, lines, status).await
    }

    /// Gives up what is not picked yet. What is picked stays with its order until it is shipped.
    pub(crate) async fn cancel_picking_list(&self, ctx: &Ctx, id: PickingListId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let (levels, before, mut lines) = lock(&tx, ctx, id).await?;
        let shown_before = present(before.clone(), lines.clone());
        let open: Vec<_> = lines.iter().filter(|line| line.picked.is_none()).cloned().collect();
        allocate(&tx, &open, -1).await?;
        for line in lines.iter_mut().filter(|line| line.picked.is_none()) {
            (line.picked, line.allocated) = (Some(Quantity::ZERO), Quantity::ZERO);
        }
        store(&tx, lines.iter()).await?;
        levels.store(&mut tx).await?;
        self.finish(tx, before, shown_before, lines, PickingStatus::Cancelled).await
    }

    async fn finish(
        &self,
        mut tx: Tx,
        before: picking_list::Model,
        shown_before: PickingList,
        lines: Vec<picking_line::Model>,
        status: PickingStatus,
    ) -> Result<Reply> {
        let (id, version) = (before.id, before.version + 1);
        let mut model = before.into_active_model();
        model.status = Set(status);
        model.version = Set(version);
        model.updated_at = Set(tx.now());
        let shown = present(model.update(&*tx).await?, lines);
        tx.audit("picking_list", id.uuid(), Some(&shown_before), Some(&shown))?;
        tx.reply(Reply::ok(&shown)).await
    }
}

/// Levels first, as everywhere, then the list.
async fn lock(
    tx: &Tx,
    ctx: &Ctx,
    id: PickingListId,
) -> Result<(Levels, picking_list::Model, Vec<picking_line::Model>)> {
    let lines = lines_of(&**tx, [id]).await?.remove(&id).unwrap_or_default();
    let key = |line: &picking_line::Model| Key {
        product_id: line.product_id,
        warehouse_id: line.warehouse_id,
    };
    let levels = Levels::lock(tx, &lines.iter().map(key).collect()).await?;
    let found = tx.lock::<picking_list::Entity>(id).await?;
    let row = found.ok_or_else(|| kernel::Error::not_found("picking list", id))?;
    check_scope(ctx, [row.warehouse_id], "picking list", id)?;
    ctx.check_version(row.version)?;
    if row.status != PickingStatus::Open {
        return Err(Error::PickingOver.into());
    }
    let lines = lines_of(&**tx, [id]).await?.remove(&id).unwrap_or_default();
    Ok((levels, row, lines))
}

/// What confirmed orders hold in a warehouse, oldest promise first.
async fn demand(tx: &Tx, warehouse_id: WarehouseId, orders: &[OrderId]) -> Result<Vec<Demand>> {
    let rows: BTreeSet<_> = orders.iter().copied().collect();
    let rows = rows.into_iter().map(|id| vec![id.into()]);
    let mut values = Values::new(tx.get_database_backend(), "k", &[("id", Column::Uuid)], rows);
    let warehouse_id = values.bind(warehouse_id);
    let (sql, values) = values.statement(&format!(
        "SELECT r.order_id, r.order_line_id, r.product_id, r.kit_line_id, r.kit_id, r.remaining, \
         COALESCE((SELECT CAST(SUM(m.quantity) AS BIGINT) FROM stock_moves m \
           WHERE m.source_line_id = r.order_line_id AND m.kind = 'issue'), 0) AS shipped, \
         COALESCE((SELECT CAST(SUM(p.allocated) AS BIGINT) FROM picking_lines p \
           WHERE p.order_line_id = r.order_line_id AND p.allocated > 0), 0) AS allocated, \
         COALESCE((SELECT CAST(SUM(COALESCE(p.picked, p.quantity)) AS BIGINT) \
           FROM picking_lines p WHERE p.order_line_id = r.order_line_id \
           AND p.bin_id IS NULL), 0) AS listed \
         FROM k JOIN reservations r ON r.order_id = k.id \
         WHERE r.status = 'active' AND r.expires_at IS NULL \
         AND r.warehouse_id = {warehouse_id} ORDER BY COALESCE(r.first_id, r.id), r.id"
    ));
    Ok(query_all(&**tx, sql, values).await?)
}

/// Puts lines into the order of the walk.
async fn walk(tx: &Tx, id: PickingListId, lines: &mut [picking_line::Model]) -> Result<()> {
    let ids: BTreeSet<_> = lines.iter().filter_map(|line| line.location_id).collect();
    let found = location::Entity::find().filter(location::Column::Id.is_in(ids)).all(&**tx).await?;
    let order: HashMap<LocationId, (i64, String)> =
        found.into_iter().map(|row| (row.id, (row.pick_order, row.code))).collect();
    lines.sort_by_cached_key(|line| {
        let place = line.location_id.and_then(|id| order.get(&id)).cloned();
        (place.unwrap_or((i64::MAX, String::new())), line.product_id, line.id)
    });
    for (i, line) in (1..).zip(lines) {
        (line.picking_list_id, line.position) = (id, i);
    }
    Ok(())
}

/// Where the warehouse ships from, if it has such a place.
async fn output(tx: &Tx, warehouse_id: WarehouseId) -> Result<Option<LocationId>> {
    let found = location::Entity::find()
        .filter(location::Column::WarehouseId.eq(warehouse_id))
        .filter(location::Column::Kind.eq(PlaceKind::Output))
        .filter(location::Column::IsActive.eq(true))
        .order_by_asc(location::Column::PickOrder)
        .order_by_asc(location::Column::Id)
        .one(&**tx)
        .await?;
    Ok(found.map(|row| row.id))
}

type BinOf = HashMap<(ProductId, Option<contracts::ids::LotId>), Uuid>;

/// The bins that goods were brought to; all of one location.
async fn bins_at(tx: &Tx, goes: &[(i64, Place)]) -> Result<BinOf> {
    let products: BTreeSet<_> = goes.iter().map(|(_, place)| place.key.product_id).collect();
    let location_id = goes.first().and_then(|(_, place)| place.location_id);
    let rows = bin::Entity::find()
        .filter(bin::Column::LocationId.eq(location_id))
        .filter(bin::Column::ProductId.is_in(products))
        .all(&**tx)
        .await?;
    Ok(rows.into_iter().map(|row| ((row.product_id, row.lot_id), row.id)).collect())
}

/// Adds what lines hold to their bins, or takes it off again.
pub(super) async fn allocate(tx: &Tx, lines: &[picking_line::Model], sign: i64) -> Result<()> {
    let mut bins: BTreeMap<Uuid, i64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.allocated.is_positive()) {
        if let Some(id) = line.bin_id {
            *bins.entry(id).or_default() += sign * line.allocated.micros();
        }
    }
    if bins.is_empty() {
        return Ok(());
    }
    let rows = bins.iter().map(|(id, more)| vec![(*id).into(), (*more).into()]);
    let columns = [("id", Column::Uuid), ("more", Column::BigInt)];
    let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
        "UPDATE bins SET allocated = bins.allocated + v.more FROM v WHERE bins.id = v.id",
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}

pub(super) async fn store(
    tx: &Tx,
    lines: impl Iterator<Item = &picking_line::Model>,
) -> Result<()> {
    let rows: Vec<_> = lines
        .map(|line| {
            vec![
                line.id.into(),
                line.location_id.into(),
                line.lot_id.into(),
                line.bin_id.into(),
                line.quantity.into(),
                line.picked.into(),
                line.allocated.into(),
            ]
        })
        .collect();
    let columns = [
        ("id", Column::Uuid),
        ("location_id", Column::Uuid),
        ("lot_id", Column::Uuid),
        ("bin_id", Column::Uuid),
        ("quantity", Column::BigInt),
        ("picked", Column::BigInt),
        ("allocated", Column::BigInt),
    ];
    let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
        "UPDATE picking_lines SET location_id = v.location_id, lot_id = v.lot_id, \
         bin_id = v.bin_id, quantity = v.quantity, picked = v.picked, \
         allocated = v.allocated FROM v WHERE picking_lines.id = v.id",
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}

async fn lines_of(
    conn: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = PickingListId>,
) -> Result<HashMap<PickingListId, Vec<picking_line::Model>>> {
    let rows = picking_line::Entity::find()
        .filter(picking_line::Column::PickingListId.is_in(ids))
        .order_by_asc(picking_line::Column::Position)
        .all(conn)
        .await?;
    let mut lines: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        lines.entry(row.picking_list_id).or_default().push(row);
    }
    Ok(lines)
}

fn present(row: picking_list::Model, lines: Vec<picking_line::Model>) -> PickingList {
    let line = |line: picking_line::Model| PickingLine {
        position: line.position,
        order_id: line.order_id,
        // Of a part, the line that the order has.
        order_line_id: line.kit_line_id.unwrap_or(line.order_line_id),
        kit_id: line.kit_id,
        product_id: line.product_id,
        location_id: line.location_id,
        lot_id: line.lot_id,
        quantity: line.quantity,
        picked: line.picked,
    };
    PickingList {
        id: row.id,
        warehouse_id: row.warehouse_id,
        status: row.status,
        allowed_actions: match row.status {
            PickingStatus::Open => vec!["pick", "cancel"],
            _ => Vec::new(),
        },
        lines: lines.into_iter().map(line).collect(),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
