//! Work done by the clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use contracts::ids::{ProductId, WarehouseId};
use kernel::db::{Tx, query_all};
use kernel::module::RunJob;
use kernel::quantity::Quantity;
use kernel::{Ctx, Job, Result};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use crate::entities::product;
use crate::error::internal;
use crate::service::Service;
use crate::service::backorders::fill_and_promise;
use crate::service::holds::{Cut, End, Table, reduce};
use crate::service::levels::{Key, Levels};
use crate::service::search::{index_more, to_index};

/// Rows of one table expired by one transaction.
const BATCH: usize = 1000;

/// How often somebody looks for files to work on, and for those to throw away.
const FILES: Duration = Duration::from_secs(1);
const FORGET: Duration = Duration::from_secs(60 * 60);

struct ExpireReservations(Arc<Service>);

#[async_trait]
impl RunJob for ExpireReservations {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.expire_holds(ctx, Utc::now()).await
    }
}

struct ExpireLots(Arc<Service>);

#[async_trait]
impl RunJob for ExpireLots {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.expire_lots(ctx, Utc::now().date_naive()).await
    }
}

/// Products of a version that had no search yet.
struct IndexProducts(Arc<Service>);

#[async_trait]
impl RunJob for IndexProducts {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.index_products(ctx).await
    }
}

/// Files that came in.
struct RunImports(Arc<Service>);

#[async_trait]
impl RunJob for RunImports {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.run_imports(ctx).await
    }
}

/// Files that are to be made.
struct RunExports(Arc<Service>);

#[async_trait]
impl RunJob for RunExports {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.run_exports(ctx).await
    }
}

/// Files that nobody fetches any more, and what is left of uploads that broke off.
struct ForgetFiles(Arc<Service>);

#[async_trait]
impl RunJob for ForgetFiles {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.forget_lost_pieces(ctx).await?;
        self.0.forget_exports(ctx, Utc::now()).await
    }
}

#[derive(FromQueryResult)]
struct Due {
    id: Uuid,
    product_id: ProductId,
    warehouse_id: WarehouseId,
    remaining: Quantity,
}

impl Due {
    fn key(&self) -> Key {
        Key { product_id: self.product_id, warehouse_id: self.warehouse_id }
    }
}

impl Service {
    pub(crate) fn jobs(service: &Arc<Service>) -> Vec<Job> {
        let every = Duration::from_secs(service.config.expiry_interval_s);
        let expire = Arc::new(ExpireReservations(service.clone()));
        let index = Arc::new(IndexProducts(service.clone()));
        vec![
            Job { name: "expire_reservations", every, run: expire },
            Job { name: "index_products", every, run: index },
            Job { name: "expire_lots", every, run: Arc::new(ExpireLots(service.clone())) },
            Job { name: "imports", every: FILES, run: Arc::new(RunImports(service.clone())) },
            Job { name: "exports", every: FILES, run: Arc::new(RunExports(service.clone())) },
            Job {
                name: "forget_files",
                every: FORGET,
                run: Arc::new(ForgetFiles(service.clone())),
            },
        ]
    }

    /// Puts in the index of words what is not there yet.
    pub(crate) async fn index_products(&self, ctx: &Ctx) -> Result<()> {
        // Asked before the transaction, so that idle runs do not queue for the writer.
        let waiting = product::Entity::find().filter(to_index());
        while waiting.clone().one(self.db.read()).await?.is_some() {
            let tx = self.db.begin(ctx).await?;
            let count = index_more(&tx, BATCH as u64).await?;
            tx.commit().await?;
            tracing::info!(count, "indexed products");
        }
        Ok(())
    }

    /// Gives back what was held until `now` and no longer.
    pub(crate) async fn expire_holds(&self, ctx: &Ctx, now: DateTime<Utc>) -> Result<()> {
        loop {
            // Looked up before the transaction, so that idle runs do not queue for the
            // writer; and again inside it, when the levels are locked.
            let (reservations, backorders) = due(self.db.read(), now).await?;
            let keys: BTreeSet<_> = reservations.iter().chain(&backorders).map(Due::key).collect();
            if keys.is_empty() {
                return Ok(());
            }
            let mut tx = self.db.begin(ctx).await?;
            let mut levels = Levels::lock(&tx, &keys).await?;
            let (mut reservations, mut backorders) = due(&*tx, now).await?;
            reservations.retain(|row| keys.contains(&row.key()));
            backorders.retain(|row| keys.contains(&row.key()));
            for row in &reservations {
                levels.at(row.key())?.release(row.remaining).map_err(internal)?;
            }
            for row in &backorders {
                levels.at(row.key())?.unbackorder(row.remaining).map_err(internal)?;
            }
            expire(&mut tx, Table::Reservations, &reservations).await?;
            expire(&mut tx, Table::Backorders, &backorders).await?;
            let freed = backorders.iter().map(Due::key).collect();
            fill_and_promise(&mut tx, &mut levels, &freed, BTreeSet::new()).await?;
            levels.store(&mut tx).await?;
            tx.commit().await?;
            tracing::info!(
                reservations = reservations.len(),
                backorders = backorders.len(),
                "gave back what had expired"
            );
        }
    }
}

async fn due(conn: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<(Vec<Due>, Vec<Due>)> {
    let select = |table: &str, live: &str| {
        format!(
            "SELECT id, product_id, warehouse_id, remaining FROM {table} \
             WHERE status = '{live}' AND expires_at IS NOT NULL AND expires_at <= $1 \
             ORDER BY expires_at, id LIMIT {BATCH}"
        )
    };
    let reservations = query_all(conn, select("reservations", "active"), vec![now.into()]).await?;
    let backorders = query_all(conn, select("backorders", "open"), vec![now.into()]).await?;
    Ok((reservations, backorders))
}

async fn expire(tx: &mut Tx, table: Table, rows: &[Due]) -> Result<()> {
    let cuts: Vec<_> = rows.iter().map(|row| Cut { id: row.id, by: row.remaining }).collect();
    reduce(tx, table, &cuts, End::Expired).await?;
    let resource = match table {
        Table::Reservations => "reservation",
        Table::Backorders => "backorder",
    };
    for row in rows {
        let before = json!({ "remaining": row.remaining });
        tx.audit(resource, row.id, Some(&before), Some(&json!({ "status": "expired" })))?;
    }
    Ok(())
}
