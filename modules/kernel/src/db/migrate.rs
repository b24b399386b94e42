//! Schema migrations: SQL files compiled in, run in order, each once.

use std::borrow::Cow;
use std::fmt;

use sea_orm::{Database, DatabaseConnection, DbBackend};
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr, query_as, query_scalar};

use crate::config::{DataConfig, SqlConfig};
use crate::db::address::{Address, reason};
use crate::db::dialect::translate;
use crate::db::{connect_sqlite, sqlite_file};
use crate::error::{Error, Result};

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
    Script {
        number: 5,
        name: "events_of_aggregate",
        sql: include_str!("../../../../migrations/common/0005_events_of_aggregate.sql"),
    },
    Script {
        number: 6,
        name: "events_trace",
        sql: include_str!("../../../../migrations/common/0006_events_trace.sql"),
    },
    Script {
        number: 7,
        name: "audit_indexes",
        sql: include_str!("../../../../migrations/common/0007_audit_indexes.sql"),
    },
    Script {
        number: 9,
        name: "audit_filters",
        sql: include_str!("../../../../migrations/common/0009_audit_filters.sql"),
    },
];

/// And these where it is in PostgreSQL, in whose own words they are.
const COMMON_POSTGRES: Migrations = &[
    Script {
        number: 4,
        name: "audit_chain",
        sql: include_str!("../../../../migrations/common/0004_audit_chain_postgres.sql"),
    },
    Script {
        number: 8,
        name: "number_series",
        sql: include_str!("../../../../migrations/common/0008_number_series_postgres.sql"),
    },
];

struct Scripts(Vec<Migration>);

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

/// Which scripts a database has and lacks, each as `0100 name`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Not run yet.
    pub pending: Vec<String>,
    /// Run, and changed since: nothing more can be.
    pub changed: Vec<String>,
    /// Run by a newer version of this program. They are no obstacle: a version only adds to
    /// what the one before it uses.
    pub newer: Vec<String>,
    /// How many were run.
    pub applied: usize,
}

/// Brings the module's schema up to date and returns the scripts that it took.
pub async fn migrate(
    module: &'static str,
    migrations: Migrations,
    data: &DataConfig,
    sql: &SqlConfig,
) -> Result<Vec<String>> {
    if let Some(url) = sql.connection_string(module) {
        let address = Address::of_module(module, url, sql)?;
        return run_postgres(module, migrations, &address).await;
    }
    let (path, url) = sqlite_file(module, data, "rwc");
    let failed = |error: &dyn fmt::Display| Error::internal(format!("{}: {error}", path.display()));
    let conn = connect_sqlite(&url, data, 1).await.map_err(|error| failed(&error))?;
    let applied = run_sqlite(&conn, migrations).await.map_err(|error| failed(&error))?;
    conn.close().await?;
    Ok(applied)
}

/// Compares the module's schema with the scripts, and changes nothing.
pub async fn pending(
    module: &'static str,
    migrations: Migrations,
    data: &DataConfig,
    sql: &SqlConfig,
) -> Result<Pending> {
    match sql.connection_string(module) {
        Some(url) => {
            let address = Address::of_module(module, url, sql)?;
            let mut conn = address.connect().await?;
            let applied = applied_postgres(module, &mut conn).await;
            let applied = applied.map_err(|error| address.failed(&reason(&error)))?;
            Ok(compare(migrations, DbBackend::Postgres, &applied))
        }
        None => {
            let (path, url) = sqlite_file(module, data, "ro");
            let failed = |error| Error::internal(format!("{}: {}", path.display(), reason(&error)));
            let applied = match path.exists() {
                true => applied_sqlite(&Database::connect(&url).await?).await.map_err(failed)?,
                false => Vec::new(),
            };
            Ok(compare(migrations, DbBackend::Sqlite, &applied))
        }
    }
}

/// A script that was run: its number, its name and the checksum of its text.
type Applied = (i64, String, Vec<u8>);

async fn applied_postgres(module: &str, conn: &mut PgConnection) -> sqlx::Result<Vec<Applied>> {
    let exists = "SELECT EXISTS (SELECT FROM pg_tables \
                  WHERE schemaname = $1 AND tablename = '_sqlx_migrations')";
    if !query_scalar::<_, bool>(exists).bind(module).fetch_one(&mut *conn).await? {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT version, description, checksum FROM {module}._sqlx_migrations");
    query_as(AssertSqlSafe(sql)).fetch_all(conn).await
}

async fn applied_sqlite(conn: &DatabaseConnection) -> sqlx::Result<Vec<Applied>> {
    let pool = conn.get_sqlite_connection_pool();
    let exists = "SELECT EXISTS (SELECT * FROM sqlite_schema WHERE name = '_sqlx_migrations')";
    if !query_scalar::<_, bool>(exists).fetch_one(pool).await? {
        return Ok(Vec::new());
    }
    let sql = "SELECT version, description, checksum FROM _sqlx_migrations";
    query_as(sql).fetch_all(pool).await
}

fn compare(migrations: Migrations, backend: DbBackend, applied: &[Applied]) -> Pending {
    let Scripts(scripts) = scripts(migrations, backend);
    let mut found = Pending { applied: applied.len(), ..Pending::default() };
    for script in &scripts {
        match applied.iter().find(|(number, ..)| *number == script.version) {
            None => found.pending.push(title(script.version, &script.description)),
            Some((.., checksum)) if **checksum != *script.checksum => {
                found.changed.push(title(script.version, &script.description));
            }
            Some(_) => {}
        }
    }
    let is_newer = |(number, ..): &&Applied| scripts.iter().all(|s| s.version != *number);
    let newer = applied.iter().filter(is_newer);
    found.newer = newer.map(|(number, name, _)| title(*number, name)).collect();
    found
}

fn title(number: i64, name: &str) -> String {
    format!("{number:04} {name}")
}

/// Brings a file up to date; returns what it took.
pub(super) async fn run_sqlite(
    conn: &DatabaseConnection,
    migrations: Migrations,
) -> Result<Vec<String>, String> {
    let mut conn = conn.get_sqlite_connection_pool().acquire().await.map_err(|e| e.to_string())?;
    run(&mut *conn, scripts(migrations, DbBackend::Sqlite)).await
}

/// Makes the schema if it is not there, and brings it up to date; returns what it took.
///
/// Of several processes that start at once one does it and the others wait, on a connection
/// of its own: it has no deadline on locks, and whatever happens the lock ends with it. The
/// lock is the database's (sqlx derives its number from the name), so modules that share one
/// take turns.
pub(super) async fn run_postgres(
    module: &str,
    migrations: Migrations,
    address: &Address,
) -> Result<Vec<String>> {
    let mut conn = address.connect().await?;
    let told = |error: sqlx::Error| address.failed(&reason(&error));
    conn.lock().await.map_err(|error| address.failed(&error))?;
    let is_there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    let is_there: bool =
        query_scalar(is_there).bind(module).fetch_one(&mut conn).await.map_err(told)?;
    if !is_there {
        // A role that `erp migrate --create` made may not, and need not.
        conn.create_schema_if_not_exists(module).await.map_err(|error| address.failed(&error))?;
    }
    let path = format!("SET search_path = {module}");
    conn.execute(AssertSqlSafe(path)).await.map_err(told)?;
    let ran = run(&mut conn, scripts(migrations, DbBackend::Postgres)).await;
    let ran = ran.map_err(|error| address.failed(&error))?;
    conn.close().await.map_err(told)?;
    Ok(ran)
}

async fn run<C: Migrate>(conn: &mut C, Scripts(scripts): Scripts) -> Result<Vec<String>, String> {
    let mut migrator = Migrator::with_migrations(scripts);
    // During a rolling deployment the old version may start once more on the new schema.
    migrator.set_ignore_missing(true);
    let table = migrator.table_name.clone();
    let explain = |error: MigrateError| match error {
        MigrateError::VersionMismatch(number) => format!(
            "script {} is not the one that was run here: released scripts never change",
            name_of(&migrator, number)
        ),
        MigrateError::ExecuteMigration(error, number) => {
            format!("script {}: {}", name_of(&migrator, number), reason(&error))
        }
        MigrateError::Execute(error) => reason(&error),
        error => error.to_string(),
    };
    conn.ensure_migrations_table(&table).await.map_err(explain)?;
    let before = conn.list_applied_migrations(&table).await.map_err(explain)?;
    migrator.run_direct(None, conn, false).await.map_err(explain)?;
    let ran = migrator.iter().filter(|script| before.iter().all(|b| b.version != script.version));
    Ok(ran.map(|script| title(script.version, &script.description)).collect())
}

fn name_of(migrator: &Migrator, number: i64) -> String {
    let script = migrator.iter().find(|script| script.version == number);
    title(number, script.map_or("", |script| &script.description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_compared_with_the_scripts() {
        let Scripts(known) = scripts(&[], DbBackend::Sqlite);
        let common = |checksum: &[u8]| (1, "common".to_owned(), checksum.to_vec());
        let later = (900, "later".to_owned(), vec![]);
        let found = compare(&[], DbBackend::Sqlite, &[common(&known[0].checksum), later]);
        assert_eq!(found.pending[0], "0002 common_triggers");
        assert_eq!(found.pending.len(), known.len() - 1);
        assert_eq!(found.newer, ["0900 later"]);
        assert_eq!((found.changed.len(), found.applied), (0, 2));
        let found = compare(&[], DbBackend::Sqlite, &[common(b"another")]);
        assert_eq!(found.changed, ["0001 common"]);
    }
}
