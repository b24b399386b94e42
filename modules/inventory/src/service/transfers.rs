//! Transfers from one warehouse to another, by way of the one for what is in transit.

use std::collections::{BTreeMap, HashMap};

use contracts::ids::{ProductId, WarehouseId};
use kernel::db::{Tx, execute, insert_all};
use kernel::http::Reply;
use kernel::money::Money;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::token::Scope;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder,
};
use uuid::Uuid;

use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::entities::transfer::{self, TransferStatus};
use crate::entities::{transfer_line, warehouse};
use crate::error::{Error, Shortage, internal};
use crate::routes::transfers::{ListTransfers, NewTransfer, Transfer, TransferLine};
use crate::service::bins::Bins;
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, Posting, post};
use crate::service::named_lots::{Named, to_send};
use crate::service::references::{
    check_fineness, find_any_warehouse, find_products, find_warehouse,
};
use crate::service::{MAX_LINES, Service, check_line_count, merge};

impl Service {
    pub(crate) async fn list_transfers(
        &self,
        ctx: &Ctx,
        query: ListTransfers,
    ) -> Result<Page<Transfer>> {
        use transfer::{Column, Entity, Model};
        let mut select = Entity::find();
        if let Some(warehouse_id) = query.from_warehouse_id {
            select = select.filter(Column::FromWarehouseId.eq(warehouse_id));
        }
        if let Some(warehouse_id) = query.to_warehouse_id {
            select = select.filter(Column::ToWarehouseId.eq(warehouse_id));
        }
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        if let Scope::Only(ids) = &ctx.scope {
            let columns = [Column::FromWarehouseId, Column::ToWarehouseId];
            let among = columns.map(|column| column.is_in(ids.iter().copied()));
            select = select.filter(among.into_iter().fold(Condition::any(), Condition::add));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id;
        let conn = self.db.read();
        let page = fetch(conn, select, Column::Id, id_of, "transfers", &request).await?;
        let mut lines = lines_of(conn, page.data.iter().map(|row| row.id)).await?;
        Ok(page.map(|row| {
            let lines = lines.remove(&row.id).unwrap_or_default();
            self.present_transfer(row, lines)
        }))
    }

    pub(crate) async fn transfer(&self, id: Uuid) -> Result<Transfer> {
        let conn = self.db.read();
        let found = transfer::Entity::find_by_id(id).one(conn).await?;
        let row = found.ok_or_else(|| kernel::Error::not_found("transfer", id))?;
        let lines = lines_of(conn, [id]).await?.remove(&id).unwrap_or_default();
        Ok(self.present_transfer(row, lines))
    }

    /// Takes the goods out of their warehouse, at their average cost.
    pub(crate) async fn ship_transfer(&self, ctx: &Ctx, new: NewTransfer) -> Result<Reply> {
        check_line_count(new.lines.len(), MAX_LINES)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let from = find_warehouse(&tx, new.from_warehouse_id, "/from_warehouse_id").await?;
        let to = find_any_warehouse(&tx, new.to_warehouse_id, "/to_warehouse_id").await?;
        if from.id == to.id {
            return Err(Error::SameWarehouse.into());
        }
        if !to.is_active {
            let pointer = "/to_warehouse_id".to_owned();
            return Err(Error::WarehouseInactive { pointer, code: to.code }.into());
        }
        let ids: Vec<_> = new.lines.iter().map(|line| line.product_id).collect();
        let products = find_products(&tx, &ids).await?;
        for (i, line) in new.lines.iter().enumerate() {
            let pointer = format!("/lines/{i}/quantity");
            check_fineness(&products[&line.product_id], line.quantity.get(), &pointer)?;
        }
        let asked: Vec<_> =
            new.lines.iter().map(|line| (line.product_id, line.quantity.get())).collect();
        let asked = merge(asked, |line| line.0, |line| &mut line.1)?;
        let transit = transit(&tx).await?;
        let keys = asked.iter().flat_map(|(product_id, _)| {
            [from.id, transit].map(|id| Key { product_id: *product_id, warehouse_id: id })
        });
        let mut levels = Levels::lock_to_issue(&tx, &keys.collect()).await?;
        let mut shortages = Vec::new();
        for (product_id, quantity) in &asked {
            let key = Key { product_id: *product_id, warehouse_id: from.id };
            let available = levels.at(key)?.available();
            if available < *quantity {
                shortages.push(Shortage {
                    product_id: *product_id,
                    sku: products[product_id].sku.clone(),
                    warehouse_id: from.id,
                    asked: *quantity,
                    available,
                });
            }
        }
        if !shortages.is_empty() {
            return Err(Error::InsufficientStock { shortages }.into());
        }
        let lines = new.lines.iter().enumerate().filter(|(_, line)| !line.lots.is_empty());
        let named = lines.map(|(i, line)| Named {
            product: &products[&line.product_id],
            lots: &line.lots,
            quantity: line.quantity.get(),
            pointer: format!("/lines/{i}"),
        });
        let mut named = to_send(&tx, from.id, &named.collect::<Vec<_>>()).await?;
        let id = Uuid::now_v7();
        let (mut moves, mut lines) = (Vec::new(), Vec::new());
        for (product_id, quantity) in asked {
            let key = |warehouse_id| Key { product_id, warehouse_id };
            let value = levels
                .at(key(from.id))?
                .issue(quantity, &self.company)
                .map_err(|_| kernel::Error::internal("a level changed under its lock"))?;
            levels.at(key(transit))?.receive(quantity, value, &self.company).map_err(too_large)?;
            let out_of = named.remove(&product_id).map_or(Bins::Rule, Bins::Lots);
            let bins = [out_of, Bins::AsTaken];
            moves.extend(step(key(from.id), key(transit), quantity, value, bins));
            lines.push(transfer_line::Model {
                id: Uuid::now_v7(),
                transfer_id: id,
                product_id,
                shipped: quantity,
                received: Quantity::ZERO,
                lost: Quantity::ZERO,
                value_minor: value.minor(),
            });
        }
        let posting = posting(&tx, id);
        post(&mut tx, &mut levels, posting, moves).await?;
        let row = transfer::Model {
            id,
            from_warehouse_id: from.id,
            to_warehouse_id: to.id,
            status: TransferStatus::InTransit,
            note: new.note.map(Into::into),
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        row.clone().into_active_model().insert(&*tx).await?;
        insert_all(&*tx, lines.iter().cloned().map(IntoActiveModel::into_active_model)).await?;
        levels.store(&mut tx).await?;
        let shown = self.present_transfer(row, lines);
        tx.audit_new("transfer", id, &shown)?;
        let location = format!("/api/v1/inventory/transfers/{id}");
        tx.reply(Reply::created(&shown, location)).await
    }

    pub(crate) fn present_transfer(
        &self,
        row: transfer::Model,
        lines: Vec<transfer_line::Model>,
    ) -> Transfer {
        let line = |line: transfer_line::Model| TransferLine {
            product_id: line.product_id,
            shipped: line.shipped,
            received: line.received,
            lost: line.lost,
            value_in_transit: Money::new(line.value_minor, self.company.currency),
        };
        Transfer {
            id: row.id,
            from_warehouse_id: row.from_warehouse_id,
            to_warehouse_id: row.to_warehouse_id,
            status: row.status,
            note: row.note,
            lines: lines.into_iter().map(line).collect(),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What the moves of a transfer have in common.
pub(crate) fn posting(tx: &Tx, id: Uuid) -> Posting {
    Posting {
        source_type: MoveSourceType::Transfer,
        source_id: id,
        moved_on: tx.now().date_naive(),
        reason: Some("Transfer".into()),
        reason_code: None,
    }
}

pub(crate) fn too_large(source: kernel::money::AmountError) -> kernel::Error {
    Error::TooLarge { pointer: "/lines".into(), source }.into()
}

/// Goods that go from one level to another at the same value: two moves, since each concerns
/// the stock of one warehouse. The books are not concerned.
pub(crate) fn step(
    from: Key,
    to: Key,
    quantity: Quantity,
    value: Money,
    [out_of, into]: [Bins; 2],
) -> [NewMove; 2] {
    let one = |key: Key, from, to, bins| NewMove {
        kind: MoveKind::Adjustment,
        product_id: key.product_id,
        from,
        to,
        warehouse_id: Some(key.warehouse_id),
        quantity,
        unit_cost: None,
        value,
        line_id: None,
        reverses_id: None,
        bins,
    };
    let (between, warehouse) = (LocationKind::Adjustment, LocationKind::Warehouse);
    [one(from, warehouse, between, out_of), one(to, between, warehouse, into)]
}

/// The warehouse for what is in transit; it is made when it is first needed.
pub(crate) async fn transit(tx: &Tx) -> Result<WarehouseId> {
    let find = || warehouse::Entity::find().filter(warehouse::Column::IsTransit.eq(true));
    if let Some(found) = find().one(&**tx).await? {
        return Ok(found.id);
    }
    let sql = "INSERT INTO warehouses \
               (id, code, name, is_active, is_transit, version, created_at, updated_at) \
               VALUES ($1, $2, 'In transit', FALSE, TRUE, 1, $3, $3) ON CONFLICT DO NOTHING";
    let id = WarehouseId::new();
    // A code nobody else has, whatever codes the company uses.
    let code = format!("TRANSIT-{id}");
    execute(&**tx, sql, vec![id.into(), code.into(), tx.now().into()]).await?;
    let found = find().one(&**tx).await?;
    found.map(|row| row.id).ok_or_else(|| kernel::Error::internal("no warehouse for transit"))
}

/// The lines of transfers, by transfer, in the order of their making.
pub(crate) async fn lines_of(
    conn: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Vec<transfer_line::Model>>> {
    let rows = transfer_line::Entity::find()
        .filter(transfer_line::Column::TransferId.is_in(ids))
        .order_by_asc(transfer_line::Column::Id)
        .all(conn)
        .await?;
    let mut lines: HashMap<Uuid, Vec<transfer_line::Model>> = HashMap::new();
    for row in rows {
        lines.entry(row.transfer_id).or_default().push(row);
    }
    Ok(lines)
}

/// Marks a transfer as changed, and as over if nothing of it is on its way any more.
pub(crate) async fn keep(
    tx: &Tx,
    row: transfer::Model,
    lines: &BTreeMap<ProductId, transfer_line::Model>,
) -> Result<transfer::Model> {
    let mut model = row.clone().into_active_model();
    let open = |line: &transfer_line::Model| {
        let gone = line.received.checked_add(line.lost).map_err(internal)?;
        Ok::<_, kernel::Error>(gone < line.shipped)
    };
    let mut is_open = false;
    for line in lines.values() {
        is_open |= open(line)?;
    }
    if !is_open {
        model.status = Set(TransferStatus::Received);
    }
    model.version = Set(row.version + 1);
    model.updated_at = Set(tx.now());
    Ok(model.update(&**tx).await?)
}
