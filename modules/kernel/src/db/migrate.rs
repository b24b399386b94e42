//! Schema migrations: SQL files compiled in, run in order, each once.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::db::dialect::translate;

/// One script. The number is its place in the order and never changes.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub number: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

/// A module's scripts, each written once for every backend. Numbers below 100 are the
/// kernel's.
pub type Migrations = &'static [Script];

/// Every module has these in its own schema.
const COMMON: Migrations = &[
    Script {
        number: 1,
        name: "common",
        sql: include_str!("../../../../migrations/common/0001_tables.sql"),
    },
    Script {
        number: 2,
        name: "common_triggers",
        sql: include_str!("../../../../migrations/common/0002_triggers.sql"),
    },
    Script {
        number: 3,
        name: "leases",
        sql: include_str!("../../../../migrations/common/0003_leases.sql"),
    },
];

/// And these where it is in PostgreSQL, in whose own words they are.
const COMMON_POSTGRES: Migrations = &[Script {
    number: 4,
    name: "audit_chain",
    sql: include_str!("../../../../migrations/common/0004_audit_chain_postgres.sql"),
}];

#[derive(Debug)]
struct Scripts(Vec<Migration>);

type ResolveResult = Result<Vec<Migration>, Box<dyn std::error::Error + Send + Sync>>;

impl MigrationSource<'static> for Scripts {
    fn resolve(self) -> Pin<Box<dyn Future<Output = ResolveResult> + Send + 'static>> {
        Box::pin(async { Ok(self.0) })
    }
}

fn scripts(migrations: Migrations, backend: DbBackend) -> Scripts {
    let migration = |script: &Script, sql: String| {
        Migration::new(
            script.number,
            Cow::Borrowed(script.name),
            MigrationType::Simple,
            AssertSqlSafe(sql).into_sql_str(),
            false,
        )
    };
    let translated = |script: &Script| migration(script, translate(script.sql, backend));
    let mut scripts: Vec<_> = COMMON.iter().chain(migrations).map(translated).collect();
    if backend == DbBackend::Postgres {
        scripts.extend(COMMON_POSTGRES.iter().map(|script| migration(script, script.sql.into())));
    }
    scripts.sort();
    Scripts(scripts)
}

/// What a failed migration says.
#[derive(Debug)]
pub(crate) struct MigrateError(String);

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<DbErr> for MigrateError {
    fn from(error: DbErr) -> Self {
        MigrateError(error.to_string())
    }
}

/// Brings the schema up to date, under a lock where several processes may start at once.
pub(crate) async fn run(
    conn: &DatabaseConnection,
    migrations: Migrations,
) -> Result<(), MigrateError> {
    let failed = |error: sqlx::migrate::MigrateError| MigrateError(error.to_string());
    let backend = conn.get_database_backend();
    let migrator = Migrator::new(scripts(migrations, backend)).await.map_err(failed)?;
    match backend {
        DbBackend::Sqlite => migrator.run(conn.get_sqlite_connection_pool()).await,
        _ => migrator.run(conn.get_postgres_connection_pool()).await,
    }
    .map_err(failed)
}
