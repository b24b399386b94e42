//! Schema migrations: SQL files compiled in, run in order, each once.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

/// One script. The number is its place in the order and never changes.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub number: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

/// A module's scripts. Tables, checks and indexes are written once for every backend;
/// triggers, whose language differs, once for each. Numbers below 100 are the kernel's.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    pub portable: &'static [Script],
    pub sqlite: &'static [Script],
}

/// Every module has these tables in its own schema.
const COMMON: Migrations = Migrations {
    portable: &[Script {
        number: 1,
        name: "common",
        sql: include_str!("../../../../migrations/common/0001_tables.sql"),
    }],
    sqlite: &[Script {
        number: 2,
        name: "common_triggers",
        sql: include_str!("../../../../migrations/common/0002_triggers.sqlite.sql"),
    }],
};

#[derive(Debug)]
struct Scripts(Vec<Migration>);

type ResolveResult = Result<Vec<Migration>, Box<dyn std::error::Error + Send + Sync>>;

impl MigrationSource<'static> for Scripts {
    fn resolve(self) -> Pin<Box<dyn Future<Output = ResolveResult> + Send + 'static>> {
        Box::pin(async { Ok(self.0) })
    }
}

fn scripts(migrations: &Migrations, backend: DbBackend) -> Scripts {
    let mut scripts: Vec<_> =
        [COMMON.portable, COMMON.sqlite, migrations.portable, migrations.sqlite]
            .concat()
            .into_iter()
            .map(|script| {
                Migration::new(
                    script.number,
                    Cow::Borrowed(script.name),
                    MigrationType::Simple,
                    AssertSqlSafe(dialect(script.sql, backend)).into_sql_str(),
                    false,
                )
            })
            .collect();
    scripts.sort();
    Scripts(scripts)
}

/// What the portable scripts leave to the backend: how a key of integers is declared, and
/// that a table with any other key is stored in its order, which saves SQLite an index.
fn dialect(sql: &str, backend: DbBackend) -> String {
    if backend != DbBackend::Sqlite {
        return sql.to_owned();
    }
    let table = |definition: &str| match definition.split_once("\n);") {
        Some((columns, rest))
            if columns.contains("PRIMARY KEY") && !columns.contains("INTEGER PRIMARY KEY") =>
        {
            format!("{columns}\n) WITHOUT ROWID;{rest}")
        }
        _ => definition.to_owned(),
    };
    let sql = sql
        .replace("BIGSERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
        .replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY");
    sql.split("CREATE TABLE").map(table).collect::<Vec<_>>().join("CREATE TABLE")
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

/// Brings the schema up to date.
pub(crate) async fn run(
    conn: &DatabaseConnection,
    migrations: &Migrations,
) -> Result<(), MigrateError> {
    let failed = |error: sqlx::migrate::MigrateError| MigrateError(error.to_string());
    let backend = conn.get_database_backend();
    let migrator = Migrator::new(scripts(migrations, backend)).await.map_err(failed)?;
    migrator.run(conn.get_sqlite_connection_pool()).await.map_err(failed)
}
