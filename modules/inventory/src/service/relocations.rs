//! Moving goods within a warehouse: putting away, quarantine, bringing together.

use std::collections::BTreeSet;

use contracts::ids::RelocationId;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::{bin, relocation};
use crate::error::{Error, internal};
use crate::routes::locations::{Bin, ListBins, NewRelocation, Relocation, RelocationLine};
use crate::service::backorders::fill_backorders;
use crate::service::bin_choice::take;
use crate::service::bin_rows::stored;
use crate::service::bins::{Cause, Ledger, Place, short};
use crate::service::levels::{Key, Levels};
use crate::service::locations::find_locations;
use crate::service::lots::make_up;
use crate::service::references::{check_fineness, find_products, find_warehouse};
use crate::service::{MAX_LINES, Service, check_line_count};

impl Service {
    pub(crate) async fn list_bins(&self, ctx: &Ctx, query: ListBins) -> Result<Page<Bin>> {
        use bin::Column;
        let mut select = bin::Entity::find().filter(Column::Quantity.gt(0));
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        if let Some(location_id) = query.location_id {
            select = select.filter(Column::LocationId.eq(location_id));
        }
        if let Some(lot_id) = query.lot_id {
            select = select.filter(Column::LotId.eq(lot_id));
        }
        select = ctx.scope.filter(select, Column::WarehouseId);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &bin::Model| row.id;
        let page = fetch(self.db.read(), select, Column::Id, id_of, "bins", &request).await?;
        Ok(page.map(|row| Bin {
            product_id: row.product_id,
            warehouse_id: row.warehouse_id,
            location_id: row.location_id,
            lot_id: row.lot_id,
            quantity: row.quantity,
            allocated: row.allocated,
            is_blocked: row.is_blocked,
        }))
    }

    pub(crate) async fn relocate_stock(&self, ctx: &Ctx, new: NewRelocation) -> Result<Reply> {
        check_line_count(new.lines.len(), MAX_LINES)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let warehouse_id = find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?.id;
        let ids: Vec<_> = new.lines.iter().map(|line| line.product_id).collect();
        let products = find_products(&tx, &ids).await?;
        let from: Vec<_> = new.lines.iter().map(|line| line.from_location_id).collect();
        let to: Vec<_> = new.lines.iter().map(|line| line.to_location_id).collect();
        find_locations(&tx, warehouse_id, &from, ("from_location_id", false)).await?;
        find_locations(&tx, warehouse_id, &to, ("to_location_id", true)).await?;
        let keys: BTreeSet<_> =
            ids.iter().map(|id| Key { product_id: *id, warehouse_id }).collect();
        let mut levels = Levels::lock(&tx, &keys).await?;
        let mut stored = stored(&tx, &keys).await?;
        let mut ledger = Ledger::default();
        let id = RelocationId::new();
        let cause = Cause::Relocation(id);
        let mut lines = Vec::new();
        for (i, line) in new.lines.iter().enumerate() {
            let pointer = |field: &str| format!("/lines/{i}/{field}");
            let key = Key { product_id: line.product_id, warehouse_id };
            if !levels.is_detailed(key) || line.from_location_id == line.to_location_id {
                return Err(Error::NowhereToGo { pointer: pointer("to_location_id") }.into());
            }
            let asked = line.quantity.get();
            check_fineness(&products[&line.product_id], asked, &pointer("quantity"))?;
            let (taken, missing) = take(stored.entry(key).or_default(), asked, |bin| {
                bin.location_id == line.from_location_id
                    && (line.lot_id.is_none() || bin.lot_id == line.lot_id)
            });
            if missing.is_positive() {
                let there = asked.checked_sub(missing).map_err(internal)?;
                return Err(short(&tx, key, asked, there).await?);
            }
            for taken in taken {
                if taken.was_blocked {
                    let less = taken.quantity.checked_neg().map_err(internal)?;
                    levels.at(key)?.block(less).map_err(internal)?;
                }
                ledger.take(&tx, cause, key, &taken)?;
                let (location_id, lot_id) = (line.to_location_id, taken.lot_id);
                ledger.bring(&tx, cause, Place { key, location_id, lot_id }, taken.quantity);
                lines.push(RelocationLine {
                    product_id: line.product_id,
                    lot_id,
                    from_location_id: taken.location_id,
                    to_location_id: location_id,
                    quantity: taken.quantity,
                });
            }
        }
        let row =
            relocation::Model { id, warehouse_id, reason: new.reason.into(), created_at: tx.now() };
        row.clone().into_active_model().insert(&*tx).await?;
        ledger.write(&tx, &mut levels).await?;
        make_up(&mut tx, &mut levels, keys, new.break_reservations).await?;
        fill_backorders(&mut tx, &mut levels).await?;
        levels.store(&mut tx).await?;
        let shown =
            Relocation { id, warehouse_id, reason: row.reason, lines, created_at: row.created_at };
        tx.audit_new("relocation", id.uuid(), &shown)?;
        let location = format!("/api/v1/inventory/bins?warehouse_id={warehouse_id}");
        tx.reply(Reply::created_plain(&shown, location)).await
    }
}
