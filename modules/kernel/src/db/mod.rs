//! A module's own database: one writer, several readers, and the transaction every
//! change goes through.

mod address;
pub mod audit;
mod batch;
mod conn;
mod dialect;
mod insert;
mod invariants;
mod lease;
mod migrate;
mod numbers;
mod postgres;
mod recent;
mod roles;
mod tx;
mod values;
mod writer;

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr,
    FromQueryResult, Statement, Value,
};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

pub use address::check_connection_string;
pub use conn::{Reader, Txn};
pub use insert::insert_all;
pub use invariants::{Law, LawReport, LawReports, evaluate};
pub use lease::Fence;
pub(crate) use lease::{Lease, TTL};
pub use migrate::{Migrations, Pending, Script, migrate, pending};
pub use numbers::next_gapless_number;
pub use recent::Parts;
pub use roles::{Reach, create, inspect};
pub use tx::{Change, Tx};
pub use values::{Column, Values};

use crate::cache::ModuleCache;
use crate::config::{DataConfig, Secret, Synchronous};
use crate::ctx::{Ctx, count_statement};
use crate::db::address::Address;
use crate::db::numbers::Clerk;
use crate::db::postgres::Pool;
use crate::db::recent::{Recent, Written};
use crate::db::tx::AuditHead;
use crate::db::writer::Writer;
use crate::error::{Error, Result};
use crate::events::{Event, Subscriptions};
use crate::module::ModuleDeps;

/// What is published within it is told together.
const RING_PAUSE: Duration = Duration::from_millis(2);

/// Answers forgotten in one transaction.
const FORGET_BATCH: u64 = 1000;

/// Wait before listening again where that failed.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// A handle to one module's database; cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    module: &'static str,
    writer: Writer,
    read: Reader,
    cache: ModuleCache,
    subscriptions: Subscriptions,
    /// For each subscriber a count of the commits that published something for it.
    published: HashMap<&'static str, watch::Sender<u64>>,
    /// Whether this process delivers what is published.
    is_relaying: AtomicBool,
    /// Told of what another process delivers.
    bell: Notify,
    clerk: Clerk,
    recent: Recent,
}

impl Db {
    /// Opens the module's database, a SQLite file or a schema in PostgreSQL, making it and
    /// bringing it up to date.
    pub async fn open(
        module: &'static str,
        migrations: Migrations,
        deps: &ModuleDeps,
    ) -> Result<Self> {
        let is_file = deps.sql.connection_string(module).is_none();
        let (writer, read) = match deps.sql.connection_string(module) {
            Some(url) => open_postgres(module, migrations, deps, url).await?,
            None => open_sqlite(module, migrations, deps).await?,
        };
        let subscribers = deps.subscriptions.iter().flat_map(|(_, names)| *names);
        Ok(Db(Arc::new(Inner {
            module,
            writer,
            read,
            cache: deps.cache.of_module(module, is_file, &deps.metrics),
            subscriptions: deps.subscriptions,
            published: subscribers.map(|name| (*name, watch::Sender::new(0))).collect(),
            is_relaying: AtomicBool::new(false),
            bell: Notify::new(),
            clerk: Clerk::default(),
            recent: Recent::default(),
        })))
    }

    /// The module whose data this is.
    pub fn module(&self) -> &'static str {
        self.0.module
    }

    /// The parts of a document that were read or written a moment ago, if they are those of
    /// `version`, which is what its head says in the database.
    pub fn recall<T: Any + Send + Sync>(&self, id: Uuid, version: i64) -> Option<Arc<T>> {
        self.0.recent.get(id, version)
    }

    /// Notes the parts of a version that is in the database, `rows` in all, to be recalled; see
    /// [`Tx::remember`] for one that is about to be.
    pub fn remember(&self, id: Uuid, version: i64, rows: usize, parts: Parts) {
        self.0.recent.note(Written { id, version, rows, parts });
    }

    /// Whether transactions run beside each other.
    pub(crate) fn has_many_writers(&self) -> bool {
        matches!(self.0.read, Reader::Postgres(_))
    }

    /// For reading outside a transaction.
    pub fn read(&self) -> &Reader {
        &self.0.read
    }

    pub(crate) fn cache(&self) -> &ModuleCache {
        &self.0.cache
    }

    pub(crate) fn subscriptions(&self) -> Subscriptions {
        self.0.subscriptions
    }

    /// Changes whenever something is published for that subscriber.
    pub(crate) fn published_to(&self, subscriber: &str) -> Option<watch::Receiver<u64>> {
        self.0.published.get(subscriber).map(watch::Sender::subscribe)
    }

    fn wake(&self, subscriber: &str) {
        if let Some(count) = self.0.published.get(subscriber) {
            count.send_modify(|count| *count += 1);
        }
        if !self.0.is_relaying.load(Ordering::Relaxed) {
            self.0.bell.notify_one();
        }
    }

    /// Wakes the relay for every subscriber.
    pub(crate) fn wake_all(&self) {
        self.0.published.keys().for_each(|subscriber| self.wake(subscriber));
    }

    pub(crate) fn set_relaying(&self, is_relaying: bool) {
        self.0.is_relaying.store(is_relaying, Ordering::Relaxed);
    }

    /// Has the replica that relays wake up whenever this one publishes something.
    pub async fn ring(&self) {
        let Reader::Postgres(pool) = &self.0.read else { return };
        loop {
            self.0.bell.notified().await;
            // Should it not be heard, the relay looks by itself a second later.
            if let Err(error) = pool.notify(self.0.module).await {
                tracing::warn!(module = self.0.module, error = %error, "nobody was told");
            }
            tokio::time::sleep(RING_PAUSE).await;
        }
    }

    /// Wakes the relay whenever another replica publishes something, for ever.
    pub(crate) async fn listen(&self) {
        loop {
            if let Reader::Postgres(pool) = &self.0.read {
                let heard = pool.listen(self.0.module, || {
                    self.0.published.values().for_each(|n| n.send_modify(|n| *n += 1));
                });
                let Err(error) = heard.await;
                tracing::warn!(module = self.0.module, error = %error, "hears no others");
            }
            tokio::time::sleep(LISTEN_PAUSE).await;
        }
    }

    /// Moves what the write-ahead log holds into the database file, without keeping any
    /// writer waiting. Left to SQLite, every now and then one commit would do it all.
    pub async fn checkpoint(&self) -> Result<(), DbErr> {
        match &self.0.read {
            Reader::Postgres(_) => Ok(()),
            Reader::Sqlite(conn) => {
                conn.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await.map(drop)
            }
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        match &self.0.read {
            Reader::Postgres(pool) => pool.ping().await,
            Reader::Sqlite(conn) => conn.ping().await,
        }
    }

    /// Ends a repeated request with the stored answer, before anything is asked elsewhere
    /// that may have changed since the first. One that runs at the same time is found by
    /// [`Db::begin_once`].
    pub async fn answer_repeat(&self, ctx: &Ctx) -> Result<()> {
        match tx::stored_reply(self.read(), ctx).await? {
            None => Ok(()),
            Some(reply) => Err(Error::replay(reply)),
        }
    }

    /// Forgets the answers given before that moment; returns how many. They are kept in the
    /// order they were given, so that looking costs nothing where there is nothing to do.
    pub async fn forget_answers(&self, ctx: &Ctx, before: DateTime<Utc>) -> Result<u64> {
        let sql = "DELETE FROM idempotency_keys WHERE created_at < $1 AND seq IN \
                   (SELECT seq FROM idempotency_keys ORDER BY seq LIMIT $2)";
        let mut forgotten = 0;
        loop {
            let tx = self.begin(ctx).await?;
            let values = vec![before.into(), (FORGET_BATCH as i64).into()];
            let batch = execute(&*tx, sql, values).await?;
            tx.commit().await?;
            forgotten += batch;
            if batch < FORGET_BATCH {
                return Ok(forgotten);
            }
        }
    }

    /// Begins the transaction of a request. A repeated `Idempotency-Key` ends it at
    /// once with the stored answer. Finish with [`Tx::reply`].
    pub async fn begin_once(&self, ctx: &Ctx) -> Result<Tx> {
        let tx = self.begin(ctx).await?;
        match tx::stored_reply(&*tx, ctx).await? {
            None => Ok(tx),
            Some(reply) => {
                // It may have been given a moment ago, and not be in the file yet.
                tx.commit().await?;
                Err(Error::replay(reply))
            }
        }
    }

    /// Begins a transaction for a call of another module or a job, both idempotent by
    /// what they are. Finish with [`Tx::commit`].
    pub async fn begin(&self, ctx: &Ctx) -> Result<Tx> {
        let tx = Tx::new(self.0.writer.turn().await?, self.clone(), ctx.clone());
        if let Some(fence) = ctx.fence.filter(|fence| fence.module == self.0.module) {
            fence.check(&*tx).await?;
        }
        Ok(tx)
    }

    /// The same for a job whose transaction takes long. It does not keep its lease locked
    /// meanwhile, which has to be renewed, but proves it again at the end.
    pub async fn begin_long(&self, ctx: &Ctx) -> Result<Tx> {
        Ok(Tx::new(self.0.writer.turn().await?, self.clone(), ctx.clone()).proving(ctx.fence))
    }

    /// Begins the transaction that applies `event`; `None` if it has been applied
    /// already. Finish with [`Tx::commit`].
    pub async fn begin_event(&self, event: &Event) -> Result<Option<Tx>> {
        let tx = self.begin(&event.ctx()).await?;
        if tx.is_first_delivery(event).await? {
            return Ok(Some(tx));
        }
        // The first may not be in the file yet.
        tx.commit().await?;
        Ok(None)
    }

    /// Whether that event has been applied.
    pub async fn has_applied(&self, event_id: Uuid) -> Result<bool> {
        let sql = "SELECT COUNT(*) AS n FROM inbox WHERE event_id = $1";
        let row: Option<Count> = query_one(self.read(), sql, vec![event_id.into()]).await?;
        Ok(row.is_some_and(|row| row.n > 0))
    }

    /// Runs one statement that is a whole transaction by itself, and may be lost should the
    /// database crash.
    pub(crate) async fn execute(&self, ctx: &Ctx, sql: String, values: Vec<Value>) -> Result<()> {
        if let Reader::Postgres(pool) = &self.0.read {
            execute(pool.aside(), sql, values).await?;
            return Ok(());
        }
        let tx = self.begin(ctx).await?;
        execute(&*tx, sql, values).await?;
        tx.commit().await
    }

    /// Events published and not yet delivered, parked ones included.
    pub async fn undelivered(&self) -> Result<i64> {
        let row = query_one::<Count, _>(self.read(), "SELECT COUNT(*) AS n FROM outbox", vec![]);
        Ok(row.await?.map_or(0, |count| count.n))
    }

    /// Closes every connection.
    pub async fn close(&self) -> Result<(), DbErr> {
        match &self.0.read {
            Reader::Postgres(pool) => pool.close(),
            Reader::Sqlite(conn) => conn.close_by_ref().await?,
        }
        self.0.writer.close().await
    }
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

async fn open_sqlite(
    module: &str,
    migrations: Migrations,
    deps: &ModuleDeps,
) -> Result<(Writer, Reader)> {
    let config = &deps.data;
    let (path, url) = sqlite_file(module, config, "rwc");
    let failed = |error: &dyn fmt::Display| Error::internal(format!("{}: {error}", path.display()));
    let write = connect_sqlite(&url, config, 1).await.map_err(|e| failed(&e))?;
    migrate::run_sqlite(&write, migrations).await.map_err(|e| failed(&e))?;
    let read = connect_sqlite(&url, config, config.read_connections).await?;
    let audit_head = AuditHead::read(&write, 0).await?;
    Ok((Writer::queue(write, patience(config), audit_head), Reader::Sqlite(read)))
}

/// Where the module's file is, and the way to it.
fn sqlite_file(module: &str, config: &DataConfig, mode: &str) -> (PathBuf, String) {
    let path = config.dir.join(format!("{module}.db"));
    let url = format!("sqlite://{}?mode={mode}", path.display());
    (path, url)
}

async fn connect_sqlite(
    url: &str,
    config: &DataConfig,
    connections: u32,
) -> Result<DatabaseConnection, DbErr> {
    let synchronous = match config.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", synchronous)
            .pragma("foreign_keys", "ON")
            // What a statement or a savepoint may have to undo is kept in memory.
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", "-8000")
            // A backstop only: a task beside the writer moves the log (`checkpoint`).
            .pragma("wal_autocheckpoint", "8192")
            // Another process on the same file, such as `erp migrate`, is waited for.
            .pragma("busy_timeout", "10000")
            .statement_cache_capacity(256)
    });
    options
        .acquire_timeout(patience(config))
        .test_before_acquire(false)
        .sqlx_logging(false)
        // A connection that is never dropped keeps its prepared statements.
        .idle_timeout(None)
        .max_lifetime(None);
    let mut connection = Database::connect(options).await?;
    connection.set_metric_callback(|_| count_statement());
    Ok(connection)
}

async fn open_postgres(
    module: &'static str,
    migrations: Migrations,
    deps: &ModuleDeps,
    url: &Secret,
) -> Result<(Writer, Reader)> {
    let address = Address::of_module(module, url, &deps.sql)?;
    migrate::run_postgres(module, migrations, &address).await?;
    let pool = Pool::new(address.options(module), deps.sql.pool(module), patience(&deps.data))?;
    Ok((Writer::Pool(pool.clone()), Reader::Postgres(pool)))
}

/// Longest wait for a connection.
fn patience(config: &DataConfig) -> Duration {
    Duration::from_millis(config.acquire_timeout_ms)
}

/// Keeps others from writing to the table until the transaction ends, such as replicas that
/// start at once and would fill it twice. SQLite has one writer anyway.
pub async fn lock_table(conn: &impl ConnectionTrait, table: &str) -> Result<(), DbErr> {
    if conn.get_database_backend() == DbBackend::Postgres {
        execute(conn, format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"), vec![]).await?;
    }
    Ok(())
}

/// Runs a statement written by hand; `$1`, `$2` are its values on every backend.
/// Returns how many rows it touched.
pub async fn execute<C: ConnectionTrait>(
    conn: &C,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(conn.execute_raw(statement).await?.rows_affected())
}

/// The rows of a query written by hand.
pub async fn query_all<T: FromQueryResult, C: ConnectionTrait>(
    conn: &C,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<Vec<T>, DbErr> {
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    T::find_by_statement(statement).all(conn).await
}

/// The first row of a query written by hand.
pub async fn query_one<T: FromQueryResult, C: ConnectionTrait>(
    conn: &C,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<Option<T>, DbErr> {
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    T::find_by_statement(statement).one(conn).await
}
