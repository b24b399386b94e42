//! What waits for stock: read, and promised by hand.

use std::collections::BTreeSet;

use contracts::events::LinePromise;
use contracts::ids::BackorderId;
use kernel::date::check_date;
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::entities::backorder::{self, BackorderStatus, Column, Entity};
use crate::error::Error;
use crate::routes::backorders::{Backorder, ListBackorders, NewPromise};
use crate::service::Service;
use crate::service::kit_lines::settle;
use crate::service::levels::{Key, Levels};
use crate::service::promise_dates::Promises;
use crate::service::references::check_scope;

impl Service {
    pub(crate) async fn list_backorders(
        &self,
        ctx: &Ctx,
        query: ListBackorders,
    ) -> Result<Page<backorder::Model>> {
        let mut select = Entity::find();
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        if let Some(order_id) = query.order_id {
            select = select.filter(Column::OrderId.eq(order_id));
        }
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        select = ctx.scope.filter(select, Column::WarehouseId);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &backorder::Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "backorders", &request).await
    }

    pub(crate) async fn backorder(&self, id: BackorderId) -> Result<backorder::Model> {
        let found = Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("backorder", id))
    }

    /// Promises what waits for a day. Of a kit all parts that wait are promised: the order knows
    /// of whole kits alone.
    pub(crate) async fn promise_backorder(
        &self,
        ctx: &Ctx,
        id: BackorderId,
        new: NewPromise,
    ) -> Result<Reply> {
        check_date(new.promised_on, "/promised_on")?;
        let mut tx = self.db.begin_once(ctx).await?;
        if new.promised_on < tx.now().date_naive() {
            return Err(Error::PromiseInPast.into());
        }
        let found = find(&tx, id).await?;
        let mut keys = BTreeSet::from([key(&found)]);
        keys.extend(parts(&tx, &found).await?.iter().map(key));
        Levels::lock(&tx, &keys).await?;
        // Again, now that nobody else can fill it.
        let before = find(&tx, id).await?;
        ctx.check_version(before.version)?;
        if before.status != BackorderStatus::Open {
            return Err(Error::BackorderOver.into());
        }
        if before.expires_at.is_some() {
            return Err(Error::OrderNotConfirmed.into());
        }
        let parts = parts(&tx, &before).await?;
        let locked = parts.iter().filter(|row| keys.contains(&key(row))).map(|row| row.id);
        let change = backorder::ActiveModel {
            promised_on: Set(Some(new.promised_on)),
            updated_at: Set(tx.now()),
            ..Default::default()
        };
        Entity::update_many()
            .set(change)
            .col_expr(Column::Version, Expr::col(Column::Version).add(1))
            .filter(Column::Id.is_in(locked.chain([id])))
            .exec(&*tx)
            .await?;
        let (before, after) = (Backorder::from(before), Backorder::from(find(&tx, id).await?));
        tx.audit("backorder", id.uuid(), Some(&before), Some(&after))?;
        tell(&mut tx, &after).await?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// Tells the order of the promise; of a kit by when its last part is promised.
async fn tell(tx: &mut Tx, row: &Backorder) -> Result<()> {
    let mut promises = Promises::default();
    if row.kit_id.is_some() {
        for change in settle(tx, &[row.order_line_id].into()).await? {
            promises.add(change.order_id, change.promise);
        }
    } else {
        let (order_line_id, promised_on) = (row.order_line_id, row.promised_on);
        promises.add(row.order_id, LinePromise { order_line_id, promised_on });
    }
    promises.tell(tx)
}

/// All that waits for the line for kits that a backorder is for; nothing if it is for none.
async fn parts(tx: &Tx, row: &backorder::Model) -> Result<Vec<backorder::Model>> {
    let Some(kit_line_id) = row.kit_line_id else { return Ok(Vec::new()) };
    let parts = Entity::find()
        .filter(Column::KitLineId.eq(kit_line_id))
        .filter(Column::Status.eq(BackorderStatus::Open));
    Ok(parts.all(&**tx).await?)
}

async fn find(tx: &Tx, id: BackorderId) -> Result<backorder::Model> {
    let found = Entity::find_by_id(id).one(&**tx).await?;
    let found = found.ok_or_else(|| kernel::Error::not_found("backorder", id))?;
    check_scope(tx.ctx(), [found.warehouse_id], "backorder", id)?;
    Ok(found)
}

fn key(row: &backorder::Model) -> Key {
    Key { product_id: row.product_id, warehouse_id: row.warehouse_id }
}

impl From<backorder::Model> for Backorder {
    fn from(model: backorder::Model) -> Self {
        let is_promised = model.status == BackorderStatus::Open && model.expires_at.is_none();
        Backorder {
            id: model.id,
            order_id: model.order_id,
            // Of a part, the line that the order has.
            order_line_id: model.kit_line_id.unwrap_or(model.order_line_id),
            kit_id: model.kit_id,
            product_id: model.product_id,
            warehouse_id: model.warehouse_id,
            quantity: model.quantity,
            remaining: model.remaining,
            status: model.status,
            promised_on: model.promised_on,
            expires_at: model.expires_at,
            allowed_actions: is_promised.then_some("promise").into_iter().collect(),
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}
