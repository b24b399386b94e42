//! The databases that tests run on.
//!
//! Without more ado it is SQLite. With `ERP_TEST_DATABASE=postgres` each test gets a
//! database of its own on a PostgreSQL server that the test process starts from the
//! installed binaries, and that ends with it, and a Redis beside it. Tests of what only PostgreSQL does ask for
//! one whatever the variable says, and are skipped where it is not installed.

#![allow(clippy::expect_used, reason = "in a test a panic is the finding")]

mod needs;
mod postgres;
mod redis;
mod spelling;

use std::process::Command;
use std::sync::OnceLock;

use kernel::config::{Secret, SqlConfig};
use tokio::sync::OnceCell;

pub use needs::available;
pub use postgres::PostgresServer;
pub use redis::{REDIS_PASSWORD, Redis, TlsRedis};
pub use spelling::{spell, triggers, words};

/// Connections a module of a test opens at most.
const MAX_CONNECTIONS: u32 = 5;

/// Where a test's data go: nowhere, which is to say into files, or into a new and empty
/// database.
pub async fn sql(modules: &[&str]) -> SqlConfig {
    match is_on_postgres() {
        true => config(modules, &shared().create_database(None).await),
        false => SqlConfig { max_connections: MAX_CONNECTIONS, ..SqlConfig::default() },
    }
}

/// The same, but a database starts as a copy of the one that `fill` filled; it does so once
/// in the life of the process, and has to close its connections.
pub async fn sql_filled(modules: &[&str], fill: impl AsyncFnOnce(SqlConfig)) -> SqlConfig {
    match is_on_postgres() {
        true => postgres_sql(modules, fill).await,
        false => sql(modules).await,
    }
}

/// The same, in PostgreSQL whatever `ERP_TEST_DATABASE` says.
pub async fn postgres_sql(modules: &[&str], fill: impl AsyncFnOnce(SqlConfig)) -> SqlConfig {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(async || {
        let url = shared().create_database(None).await;
        fill(config(modules, &url)).await;
        url.rsplit('/').next().expect("its name is the last part").to_owned()
    });
    config(modules, &shared().create_database(Some(template.await)).await)
}

/// Settings that whoever has their data in the database at `url` shares a Redis by; none where
/// it is not installed.
pub fn redis_settings(url: &str) -> Vec<(&'static str, String)> {
    static SERVER: OnceLock<Option<Redis>> = OnceLock::new();
    let Some(redis) = SERVER.get_or_init(Redis::start) else { return Vec::new() };
    let database = url.rsplit('/').next().unwrap_or_default();
    vec![
        ("redis.url", redis.url()),
        ("redis.password", REDIS_PASSWORD.to_owned()),
        ("redis.key_prefix", format!("{database}:")),
    ]
}

/// The settings that keep these modules' data in the database at `url`.
pub fn config(modules: &[&str], url: &str) -> SqlConfig {
    let mut config = SqlConfig { max_connections: MAX_CONNECTIONS, ..SqlConfig::default() };
    for module in modules {
        config.connection_strings.insert(format!("{module}_db"), Secret::new(url));
    }
    config
}

/// Everything in the database, in text.
pub fn dump(url: &str) -> Vec<u8> {
    let program = postgres::binaries().expect("the server was started from there").join("pg_dump");
    let output = Command::new(program).arg(url).output().expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Whether the tests at large run on PostgreSQL.
pub fn is_on_postgres() -> bool {
    match std::env::var("ERP_TEST_DATABASE").as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("ERP_TEST_DATABASE is sqlite or postgres, not {other}"),
    }
}

/// The server of those tests that do not stop it.
pub fn shared() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::start(&[]))
}
