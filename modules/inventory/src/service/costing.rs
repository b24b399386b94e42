//! Costing: layers of what came first, and what differs from a standard cost.

use contracts::events::StockAdjusted;
use contracts::ids::{ProductId, StockMoveId, WarehouseId};
use kernel::db::{Column, Tx, Values, execute, insert_all, query_all};
use kernel::http::Reply;
use kernel::money::{AmountError, Money};
use kernel::quantity::Quantity;
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter,
};
use uuid::Uuid;

use crate::entities::product::{self, Costing};
use crate::entities::{cost_variance, fifo_layer, stock_level};
use crate::error::Error;
use crate::routes::products::{Product, SetStandardCost};
use crate::service::Service;
use crate::service::level::{Layer, Level};
use crate::service::levels::{Key, Levels};
use crate::service::lots::keys_of;
use crate::service::stock_periods::OrClosed;

/// Rows of one statement: their parameters have to fit.
const BATCH: usize = 1000;

impl Service {
    /// Values everything there is of a product at another standard cost. What that makes of it
    /// more or less is an expense, or the opposite of one.
    pub(crate) async fn set_standard_cost(
        &self,
        ctx: &Ctx,
        id: ProductId,
        set: SetStandardCost,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let keys = keys_of(&tx, id).await?;
        let mut levels = Levels::lock(&tx, &keys).await?;
        let found = tx.lock::<product::Entity>(id).await?;
        let before = found.ok_or_else(|| KernelError::not_found("product", id))?;
        ctx.check_version(before.version)?;
        if before.costing != Costing::Standard {
            return Err(Error::NoStandardCost.into());
        }
        let mut after = before.clone();
        after.standard_cost = Some(set.standard_cost);
        after.version = before.version + 1;
        after.updated_at = tx.now();
        let after = after.into_active_model().reset_all().update(&*tx).await?;
        for key in &keys {
            let level = levels.at(*key)?;
            if level.standard_cost.is_some() {
                level.revalue(set.standard_cost, &self.company).map_err(too_large)?;
            }
        }
        let sql = "UPDATE stock_levels SET standard_cost = $2 \
                   WHERE product_id = $1 AND costing = 'standard'";
        let changed = execute(&*tx, sql, vec![id.into(), set.standard_cost.into()]).await?;
        let standard = stock_level::Entity::find()
            .filter(stock_level::Column::ProductId.eq(id))
            .filter(stock_level::Column::Costing.eq(Costing::Standard));
        let known =
            standard.all(&*tx).await?.into_iter().filter(|row| {
                keys.contains(&Key { product_id: id, warehouse_id: row.warehouse_id })
            });
        if known.count() as u64 != changed {
            return Err(Error::ChangedMeanwhile.into());
        }
        levels.store(&mut tx).await?;
        let after = Product::from(after);
        tx.audit("product", id.uuid(), Some(&Product::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// What is left of what came to some levels, the oldest first.
pub(crate) async fn layers(tx: &Tx, keys: &[Key]) -> Result<Vec<(Key, Layer)>> {
    let rows: Vec<_> =
        keys.iter().map(|key| vec![key.product_id.into(), key.warehouse_id.into()]).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let columns = [("product_id", Column::Uuid), ("warehouse_id", Column::Uuid)];
    let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows).statement(
        "SELECT l.* FROM k JOIN fifo_layers l \
         ON l.product_id = k.product_id AND l.warehouse_id = k.warehouse_id \
         WHERE l.remaining > 0 ORDER BY l.id",
    );
    let rows: Vec<fifo_layer::Model> = query_all(&**tx, sql, values).await?;
    let layer = |row: fifo_layer::Model| {
        let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
        let layer = Layer {
            id: row.id,
            move_id: row.move_id,
            quantity: row.quantity,
            remaining: row.remaining,
            value_minor: row.value_minor,
        };
        (key, layer)
    };
    Ok(rows.into_iter().map(layer).collect())
}

/// Stores the layers of levels that are new or have changed.
pub(crate) async fn store_layers(tx: &Tx, levels: Vec<(Key, &Level, &Level)>) -> Result<()> {
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for (key, was, now) in levels {
        for (i, layer) in now.layers.iter().enumerate() {
            match was.layers.get(i) {
                Some(before) if before == layer => {}
                Some(_) => changed.push(layer),
                None => new.push(fifo_layer::Model {
                    id: layer.id,
                    product_id: key.product_id,
                    warehouse_id: key.warehouse_id,
                    move_id: layer.move_id,
                    quantity: layer.quantity,
                    remaining: layer.remaining,
                    value_minor: layer.value_minor,
                    created_at: tx.now(),
                }),
            }
        }
    }
    insert_all(&**tx, new.into_iter().map(IntoActiveModel::into_active_model)).await?;
    for changed in changed.chunks(BATCH) {
        let rows = changed
            .iter()
            .map(|layer| vec![layer.id.into(), layer.remaining.into(), layer.value_minor.into()]);
        let columns =
            [("id", Column::Uuid), ("remaining", Column::BigInt), ("value_minor", Column::BigInt)];
        let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
            "UPDATE fifo_layers SET remaining = v.remaining, value_minor = v.value_minor \
             FROM v WHERE fifo_layers.id = v.id",
        );
        execute(&**tx, sql, values).await?;
    }
    Ok(())
}

/// What the last of each level cost, below nothing: what moved last, or what came last where
/// what came first leaves first.
pub(crate) async fn last_costs(
    tx: &Tx,
    levels: &[(Key, Costing)],
) -> Result<Vec<(Key, (i64, Quantity))>> {
    #[derive(FromQueryResult)]
    struct Row {
        product_id: ProductId,
        warehouse_id: WarehouseId,
        quantity: Quantity,
        value_minor: i64,
    }
    if levels.is_empty() {
        return Ok(Vec::new());
    }
    let rows = levels.iter().map(|(key, costing)| {
        let is_fifo = *costing == Costing::Fifo;
        vec![key.product_id.into(), key.warehouse_id.into(), is_fifo.into()]
    });
    let columns =
        [("product_id", Column::Uuid), ("warehouse_id", Column::Uuid), ("is_fifo", Column::Bool)];
    let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows).statement(
        "SELECT m.product_id, m.warehouse_id, m.quantity, m.value_minor \
         FROM k JOIN stock_moves m ON m.id = (SELECT n.id FROM stock_moves n \
         WHERE n.product_id = k.product_id AND n.warehouse_id = k.warehouse_id \
         AND (n.to_location = 'warehouse' OR NOT k.is_fifo) ORDER BY n.id DESC LIMIT 1)",
    );
    let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
    let cost = |row: Row| {
        let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
        (key, (row.value_minor, row.quantity))
    };
    Ok(rows.into_iter().map(cost).collect())
}

/// Why a level is worth more or less than what moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is valued at a standard cost.
    Standard,
    /// What had gone below nothing has come, and cost something else than it went out at.
    Owed,
}

/// Books what levels came to be worth more or less than what moved (V-7, I9).
pub(crate) async fn book_variances(tx: &mut Tx, variances: &[(Key, Cause, Money)]) -> Result<()> {
    let mut rows = Vec::with_capacity(variances.len());
    for (key, cause, variance) in variances {
        rows.push(cost_variance::Model {
            id: Uuid::now_v7(),
            product_id: key.product_id,
            warehouse_id: key.warehouse_id,
            value_minor: variance.minor(),
            reason: match cause {
                Cause::Standard => "Standard cost".into(),
                Cause::Owed => "Cost of negative stock".into(),
            },
            booked_on: tx.now().date_naive(),
            created_at: tx.now(),
        });
    }
    let active = rows.iter().cloned().map(IntoActiveModel::into_active_model);
    insert_all(&**tx, active).await.or_closed()?;
    for (row, (_, cause, value)) in rows.into_iter().zip(variances) {
        let adjusted = StockAdjusted {
            // The books know a value that moved by what moved it.
            move_id: StockMoveId::from_uuid(row.id),
            product_id: row.product_id,
            warehouse_id: row.warehouse_id,
            adjusted_on: row.booked_on,
            quantity: Quantity::ZERO,
            value: *value,
            reason: row.reason,
            is_cost_of_sales: *cause == Cause::Owed,
        };
        // A level does not know its product's version.
        tx.publish(row.product_id.uuid(), 0, &adjusted)?;
    }
    Ok(())
}

fn too_large(source: AmountError) -> KernelError {
    Error::TooLarge { pointer: "/standard_cost".into(), source }.into()
}
