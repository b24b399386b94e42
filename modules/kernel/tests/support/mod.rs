//! A database of its own for each test.

#![allow(clippy::expect_used, reason = "in a test a panic is the finding")]
#![allow(dead_code, reason = "each file of tests uses some of it")]

use std::path::PathBuf;

use kernel::config::{CompanyConfig, DataConfig, SqlConfig, Synchronous};
use kernel::db::{Db, Migrations, query_one};
use kernel::events::Subscriptions;
use kernel::module::ModuleDeps;
use kernel::money::{Currency, Rounding};
use sea_orm::FromQueryResult;
use uuid::Uuid;

const NONE: Migrations = &[];

/// Where the data are; gone when dropped.
pub struct Dir(PathBuf, SqlConfig);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// In the database the tests run on.
pub async fn open(subscriptions: Subscriptions) -> (Db, Dir) {
    open_in(test_support::sql(&["test"]).await, subscriptions).await
}

pub async fn open_in(sql: SqlConfig, subscriptions: Subscriptions) -> (Db, Dir) {
    let dir = std::env::temp_dir().join(format!("erp-kernel-{}", Uuid::now_v7()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let dir = Dir(dir, sql);
    (reopen(&dir, subscriptions).await, dir)
}

pub async fn reopen(Dir(dir, sql): &Dir, subscriptions: Subscriptions) -> Db {
    let deps = ModuleDeps {
        sql: sql.clone(),
        data: DataConfig {
            dir: dir.to_owned(),
            read_connections: 1,
            acquire_timeout_ms: 1000,
            synchronous: Synchronous::Normal,
        },
        company: CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp },
        subscriptions,
        cache: Default::default(),
        metrics: Default::default(),
    };
    Db::open("test", NONE, &deps).await.expect("the database opens")
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

pub async fn count(db: &Db, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {table}");
    query_one::<Count, _>(db.read(), sql, vec![]).await.expect("counted").expect("a row").n
}
