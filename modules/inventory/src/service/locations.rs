//! Places inside a warehouse.

use std::collections::{BTreeMap, BTreeSet};

use contracts::ids::{LocationId, WarehouseId};
use kernel::db::{Tx, execute, query_all};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, SqlErr,
};
use uuid::Uuid;

use crate::entities::{location, warehouse};
use crate::error::Error;
use crate::routes::locations::{ListLocations, Location, LocationPatch, NewLocation};
use crate::service::Service;
use crate::service::references::{check_scope, find_warehouse};

impl Service {
    pub(crate) async fn list_locations(
        &self,
        ctx: &Ctx,
        query: ListLocations,
    ) -> Result<Page<location::Model>> {
        use location::Column;
        let mut select = location::Entity::find();
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        if let Some(parent_id) = query.parent_id {
            select = select.filter(Column::ParentId.eq(parent_id));
        }
        if let Some(kind) = query.kind {
            select = select.filter(Column::Kind.eq(kind));
        }
        select = ctx.scope.filter(select, Column::WarehouseId);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &location::Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "locations", &request).await
    }

    pub(crate) async fn location(&self, id: LocationId) -> Result<location::Model> {
        let found = location::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("location", id))
    }

    pub(crate) async fn create_location(&self, ctx: &Ctx, new: NewLocation) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?;
        if !found.has_locations {
            divide(&tx, found.id).await?;
        }
        if let Some(id) = new.parent_id {
            let place = find_location(&tx, id, found.id, "/parent_id").await?;
            if place.kind != new.kind {
                return Err(Error::OtherKind.into());
            }
        }
        let model = location::Model {
            id: LocationId::new(),
            warehouse_id: found.id,
            parent_id: new.parent_id,
            code: new.code.into(),
            name: new.name.into(),
            kind: new.kind,
            pick_order: new.pick_order.into(),
            barcode: new.barcode.map(Into::into),
            is_active: true,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        let inserted = model.clone().into_active_model().insert(&*tx).await;
        let location = Location::from(inserted.map_err(|error| taken(&model, error))?);
        tx.audit_new("location", location.id.uuid(), &location)?;
        let path = format!("/api/v1/inventory/locations/{}", location.id);
        tx.reply(Reply::created(&location, path)).await
    }

    pub(crate) async fn update_location(
        &self,
        ctx: &Ctx,
        id: LocationId,
        patch: LocationPatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<location::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("location", id))?;
        check_scope(ctx, [before.warehouse_id], "location", id)?;
        ctx.check_version(before.version)?;
        let mut after = before.clone();
        if let Some(name) = patch.name {
            after.name = name.into();
        }
        if let Some(pick_order) = patch.pick_order {
            after.pick_order = pick_order.into();
        }
        if let Some(barcode) = patch.barcode {
            after.barcode = barcode.map(Into::into);
        }
        if let Some(is_active) = patch.is_active {
            after.is_active = is_active;
        }
        // What changes nothing makes no new version.
        if after == before {
            return tx.reply(Reply::ok(&Location::from(before))).await;
        }
        after.version = before.version + 1;
        after.updated_at = tx.now();
        let updated = after.clone().into_active_model().reset_all().update(&*tx).await;
        let after = Location::from(updated.map_err(|error| taken(&after, error))?);
        tx.audit("location", id.uuid(), Some(&Location::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// Which of the two that are unique the database refused.
fn taken(new: &location::Model, error: DbErr) -> kernel::Error {
    match (error.sql_err(), &new.barcode) {
        (Some(SqlErr::UniqueConstraintViolation(what)), Some(barcode))
            if what.contains("barcode") =>
        {
            Error::LocationBarcodeTaken { barcode: barcode.clone() }.into()
        }
        (Some(SqlErr::UniqueConstraintViolation(_)), _) => {
            Error::LocationCodeTaken { code: new.code.clone() }.into()
        }
        _ => error.into(),
    }
}

/// Gives every level of a warehouse bins, now that it gets its first location: what is there
/// lies in it nobody said where. Levels are locked before their warehouse, as wherever a level
/// is made.
async fn divide(tx: &Tx, warehouse_id: WarehouseId) -> Result<()> {
    #[derive(FromQueryResult)]
    struct Level {
        #[allow(dead_code, reason = "only counted")]
        id: Uuid,
    }
    let lock = match tx.get_database_backend() {
        DbBackend::Postgres => " FOR UPDATE",
        _ => "",
    };
    let sql = format!(
        "SELECT id FROM stock_levels WHERE warehouse_id = $1 \
         ORDER BY product_id, warehouse_id{lock}"
    );
    let levels: Vec<Level> = query_all(&**tx, sql, vec![warehouse_id.into()]).await?;
    let warehouse = tx.lock::<warehouse::Entity>(warehouse_id).await?;
    let Some(warehouse) = warehouse.filter(|warehouse| !warehouse.has_locations) else {
        return Ok(());
    };
    if warehouse.allows_negative {
        return Err(Error::NegativeOfPlaces { pointer: "/warehouse_id" }.into());
    }
    let values = || vec![warehouse_id.into()];
    let here = "FROM stock_levels WHERE warehouse_id = $1 AND NOT is_detailed AND on_hand > 0";
    let bins = format!(
        "INSERT INTO bins (id, product_id, warehouse_id, quantity, allocated, is_serial, \
         is_blocked) SELECT id, product_id, warehouse_id, on_hand, 0, FALSE, FALSE {here}"
    );
    execute(&**tx, bins, values()).await?;
    let entries = format!(
        "INSERT INTO bin_entries (id, product_id, warehouse_id, quantity, created_at) \
         SELECT id, product_id, warehouse_id, on_hand, $2 {here}"
    );
    execute(&**tx, entries, vec![warehouse_id.into(), tx.now().into()]).await?;
    let sql = "UPDATE stock_levels SET is_detailed = TRUE WHERE warehouse_id = $1";
    if execute(&**tx, sql, values()).await? != levels.len() as u64 {
        return Err(Error::ChangedMeanwhile.into());
    }
    let sql = "UPDATE warehouses SET has_locations = TRUE WHERE id = $1";
    execute(&**tx, sql, values()).await?;
    Ok(())
}

/// The location a request names at `pointer`, in the warehouse it is to be in.
pub(crate) async fn find_location(
    tx: &Tx,
    id: LocationId,
    warehouse_id: WarehouseId,
    pointer: &str,
) -> Result<location::Model> {
    let found = location::Entity::find_by_id(id).one(&**tx).await?;
    let found = found.filter(|location| location.warehouse_id == warehouse_id);
    Ok(found.ok_or_else(|| Error::UnknownLocation { pointer: pointer.into() })?)
}

/// Refuses locations that lines name in `field` and that are not in the warehouse, or to which
/// something is to be brought though they are not active.
pub(crate) async fn find_locations(
    tx: &Tx,
    warehouse_id: WarehouseId,
    lines: &[Option<LocationId>],
    (field, is_filled): (&str, bool),
) -> Result<()> {
    let ids: BTreeSet<_> = lines.iter().flatten().copied().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let found = location::Entity::find()
        .filter(location::Column::Id.is_in(ids))
        .filter(location::Column::WarehouseId.eq(warehouse_id))
        .all(&**tx)
        .await?;
    let found: BTreeMap<_, _> = found.into_iter().map(|row| (row.id, row.is_active)).collect();
    for (i, id) in lines.iter().enumerate() {
        let Some(id) = id else { continue };
        let pointer = || format!("/lines/{i}/{field}");
        match found.get(id) {
            None => return Err(Error::UnknownLocation { pointer: pointer() }.into()),
            Some(false) if is_filled => {
                return Err(Error::LocationInactive { pointer: pointer() }.into());
            }
            Some(_) => {}
        }
    }
    Ok(())
}

impl From<location::Model> for Location {
    fn from(model: location::Model) -> Self {
        Location {
            id: model.id,
            warehouse_id: model.warehouse_id,
            parent_id: model.parent_id,
            code: model.code,
            name: model.name,
            kind: model.kind,
            pick_order: model.pick_order,
            barcode: model.barcode,
            is_active: model.is_active,
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}
