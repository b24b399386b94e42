//! A database of its own for each test.

#![allow(clippy::expect_used, reason = "in a test a panic is the finding")]

use std::path::{Path, PathBuf};

use kernel::config::{CompanyConfig, DataConfig, SqlConfig, Synchronous};
use kernel::db::{Db, Migrations, query_one};
use kernel::events::Subscriptions;
use kernel::module::ModuleDeps;
use kernel::money::{Currency, Rounding};
use sea_orm::FromQueryResult;
use uuid::Uuid;

const NONE: Migrations = &[];

/// A directory that goes when dropped.
pub struct Dir(pub PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub async fn open(subscriptions: Subscriptions) -> (Db, Dir) {
    let dir = std::env::temp_dir().join(format!("erp-kernel-{}", Uuid::now_v7()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let db = reopen(&dir, subscriptions).await;
    (db, Dir(dir))
}

pub async fn reopen(dir: &Path, subscriptions: Subscriptions) -> Db {
    let deps = ModuleDeps {
        sql: SqlConfig::default(),
        data: DataConfig {
            dir: dir.to_owned(),
            read_connections: 1,
            acquire_timeout_ms: 1000,
            synchronous: Synchronous::Normal,
        },
        company: CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp },
        subscriptions,
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
