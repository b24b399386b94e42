//! Fills the schemas of the modules through `COPY`, and leaves them as a server at work would
//! have: constraints in place, indexes built, statistics gathered.
//!
//! Triggers are off meanwhile: they guard changes, and rows arrive as they are. What they and
//! the application would have seen to, the laws count afterwards. What is not loaded is what
//! is only ever appended to and never read by number: the audit log, stored answers and,
//! but for one of each order, events.

mod billing;
mod copy;
mod inventory;
mod journal;
mod orders;
mod purchases;
mod sales;
mod seal;

use std::time::Instant;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sea_orm::sqlx::{AssertSqlSafe, query, query_as};

use crate::world::World;

/// More than any table has streams open.
const CONNECTIONS: u32 = 32;

/// Loads everything; tells on standard error how far it is.
pub async fn load(url: &str, world: &World) -> Result<(), String> {
    let options: PgConnectOptions = url.parse().map_err(|e| format!("{url}: {e}"))?;
    let options = options.options([
        ("session_replication_role", "replica"),
        ("maintenance_work_mem", "256MB"),
        // Told of before every row otherwise.
        ("client_min_messages", "warning"),
    ]);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await;
    let pool = pool.map_err(|e| e.to_string())?;
    let indexes = drop_indexes(&pool).await?;
    let begun = Instant::now();
    // Side by side: one stream's rows are made while another's are stored.
    tokio::try_join!(
        async {
            inventory::load(&pool, world).await?;
            purchases::load(&pool, world).await
        },
        async {
            sales::load(&pool, world).await?;
            orders::load(&pool, world).await
        },
        billing::load(&pool, world),
    )?;
    eprintln!("volume: rows are in after {:.0} s", begun.elapsed().as_secs_f64());
    create_indexes(&pool, indexes).await?;
    eprintln!("volume: indexes are built after {:.0} s", begun.elapsed().as_secs_f64());
    // Marks pages as visible to all, which autovacuum would get to, and gathers statistics.
    execute(&pool, "VACUUM (ANALYZE)").await?;
    execute(&pool, "CHECKPOINT").await?;
    eprintln!("volume: vacuumed and analyzed after {:.0} s", begun.elapsed().as_secs_f64());
    pool.close().await;
    Ok(())
}

const SCHEMAS: &str = "('billing', 'inventory', 'orders', 'purchasing', 'sales')";

/// Takes away the indexes that no constraint needs, and returns how to make them.
async fn drop_indexes(pool: &PgPool) -> Result<Vec<String>, String> {
    let sql = format!(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i \
         JOIN pg_class c ON c.oid = i.indrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN {SCHEMAS} \
         WHERE NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)"
    );
    let found: Vec<(String, String)> =
        query_as(AssertSqlSafe(sql)).fetch_all(pool).await.map_err(|e| e.to_string())?;
    for (name, _) in &found {
        execute(pool, &format!("DROP INDEX {name}")).await?;
    }
    Ok(found.into_iter().map(|(_, definition)| definition).collect())
}

/// Two at a time: there are two cores.
async fn create_indexes(pool: &PgPool, definitions: Vec<String>) -> Result<(), String> {
    let build = |share: usize| {
        let definitions: Vec<_> = definitions.iter().skip(share).step_by(2).cloned().collect();
        async move {
            for definition in definitions {
                execute(pool, &definition).await?;
            }
            Ok(())
        }
    };
    tokio::try_join!(build(0), build(1)).map(drop)
}

async fn execute(pool: &PgPool, sql: &str) -> Result<(), String> {
    let done = query(AssertSqlSafe(sql.to_owned())).execute(pool).await;
    done.map(drop).map_err(|e| format!("{sql}: {e}"))
}
