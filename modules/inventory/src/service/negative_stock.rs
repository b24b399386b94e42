//! Where there may be less than nothing (I9): in warehouses that allow it, of products that do.

use contracts::ids::{ProductId, WarehouseId};
use kernel::db::{Tx, execute, lock_table, query_all};
use kernel::http::Reply;
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, FromQueryResult, IntoActiveModel, Value,
};
use uuid::Uuid;

use crate::entities::product::{self, NegativeStock};
use crate::entities::warehouse;
use crate::error::Error;
use crate::routes::negative_stock::{AllowNegative, SetNegativeStock};
use crate::routes::products::Product;
use crate::routes::warehouses::Warehouse;
use crate::service::Service;
use crate::service::products::check_owable;
use crate::service::references::check_scope;

/// How many levels a refusal names at most.
const MOST_NAMED: usize = 100;

impl Service {
    pub(crate) async fn allow_negative_stock(
        &self,
        ctx: &Ctx,
        id: WarehouseId,
        allow: AllowNegative,
    ) -> Result<Reply> {
        check_scope(ctx, [id], "warehouse", id)?;
        let mut tx = self.db.begin_once(ctx).await?;
        lock(&tx, "warehouse_id", id.into()).await?;
        let found = tx.lock::<warehouse::Entity>(id).await?;
        let before = found.ok_or_else(|| KernelError::not_found("warehouse", id))?;
        ctx.check_version(before.version)?;
        if before.is_transit {
            return Err(Error::WarehouseOfTransit.into());
        }
        if allow.allows_negative && before.has_locations {
            return Err(Error::NegativeOfPlaces { pointer: "/allows_negative" }.into());
        }
        if !allow.allows_negative {
            forbid(&tx, "warehouse_id", id.into()).await?;
        }
        let mut model = before.clone().into_active_model();
        model.allows_negative = Set(allow.allows_negative);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = Warehouse::from(model.update(&*tx).await?);
        if allow.allows_negative {
            let sql = "UPDATE stock_levels SET allows_negative = TRUE WHERE warehouse_id = $1 \
                       AND product_id IN \
                       (SELECT id FROM products WHERE negative_stock = 'inherit')";
            execute(&*tx, sql, vec![id.into()]).await?;
        }
        tx.audit("warehouse", id.uuid(), Some(&Warehouse::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    pub(crate) async fn set_negative_stock(
        &self,
        ctx: &Ctx,
        id: ProductId,
        set: SetNegativeStock,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        lock(&tx, "product_id", id.into()).await?;
        let found = tx.lock::<product::Entity>(id).await?;
        let before = found.ok_or_else(|| KernelError::not_found("product", id))?;
        ctx.check_version(before.version)?;
        if before.is_kit {
            let (pointer, sku) = ("/negative_stock".to_owned(), before.sku);
            return Err(Error::ProductIsKit { pointer, sku }.into());
        }
        check_owable(before.tracking, set.negative_stock, "/negative_stock")?;
        if set.negative_stock == NegativeStock::Never {
            forbid(&tx, "product_id", id.into()).await?;
        }
        let mut model = before.clone().into_active_model();
        model.negative_stock = Set(set.negative_stock);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = Product::from(model.update(&*tx).await?);
        if set.negative_stock == NegativeStock::Inherit {
            let sql = "UPDATE stock_levels SET allows_negative = TRUE WHERE product_id = $1 \
                       AND warehouse_id IN (SELECT id FROM warehouses WHERE allows_negative)";
            execute(&*tx, sql, vec![id.into()]).await?;
        }
        tx.audit("product", id.uuid(), Some(&Product::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// Locks the levels of a warehouse or a product before the row itself, as wherever a level is
/// made; and keeps others from changing what the two of them allow, which is read together.
async fn lock(tx: &Tx, column: &str, id: Value) -> Result<()> {
    #[derive(FromQueryResult)]
    struct Level {
        #[allow(dead_code, reason = "only locked")]
        id: Uuid,
    }
    if tx.get_database_backend() == DbBackend::Postgres {
        let sql = format!(
            "SELECT id FROM stock_levels WHERE {column} = $1 \
             ORDER BY product_id, warehouse_id FOR UPDATE"
        );
        let _: Vec<Level> = query_all(&**tx, sql, vec![id]).await?;
    }
    Ok(lock_table(&**tx, "warehouses").await?)
}

/// Keeps the levels of a warehouse or a product from going below nothing; refused while one is.
async fn forbid(tx: &Tx, column: &str, id: Value) -> Result<()> {
    #[derive(FromQueryResult)]
    struct Below {
        product_id: ProductId,
        warehouse_id: WarehouseId,
    }
    let sql = format!(
        "UPDATE stock_levels SET allows_negative = FALSE \
         WHERE {column} = $1 AND allows_negative AND owed = 0"
    );
    execute(&**tx, sql, vec![id.clone()]).await?;
    let sql = format!(
        "SELECT product_id, warehouse_id FROM stock_levels WHERE {column} = $1 \
         AND allows_negative ORDER BY product_id, warehouse_id LIMIT {MOST_NAMED}"
    );
    let below: Vec<Below> = query_all(&**tx, sql, vec![id]).await?;
    if below.is_empty() {
        return Ok(());
    }
    let levels = below.into_iter().map(|row| (row.product_id, row.warehouse_id)).collect();
    Err(Error::BelowNothing { levels }.into())
}
