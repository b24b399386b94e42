//! Transactions that share a commit, as they do in SQLite, on a real database file.

#![allow(clippy::expect_used, reason = "in a test a panic is the finding")]

mod support;

use std::time::Duration;

use kernel::Ctx;
use kernel::config::SqlConfig;
use kernel::db::{Db, Tx, evaluate, execute, next_gapless_number};
use support::{Dir, count, open_in};
use tokio::task::JoinHandle;
use uuid::Uuid;

async fn in_file() -> (Db, Dir) {
    open_in(SqlConfig::default(), &[]).await
}

async fn begin(db: &Db) -> Tx {
    db.begin(&Ctx::system("test")).await.expect("a transaction")
}

async fn write(tx: &mut Tx) -> String {
    tx.audit_new("thing", Uuid::now_v7(), &1).expect("noted");
    next_gapless_number(&**tx, "T", 2026).await.expect("a number").0
}

/// Lets everything run that can, as far as a test can know.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Holds the writer until told to go on, then commits.
fn commit_later(db: &Db) -> (tokio::sync::oneshot::Sender<()>, JoinHandle<kernel::Result<()>>) {
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let db = db.clone();
    let task = tokio::spawn(async move {
        let mut tx = begin(&db).await;
        write(&mut tx).await;
        let _ = wait.await;
        tx.commit().await
    });
    (go, task)
}

async fn assert_chained(db: &Db) {
    let reports = evaluate(db.read(), &[]).await.expect("evaluated");
    assert!(reports.laws.iter().all(|law| law.violations == 0), "{reports:?}");
}

#[tokio::test]
async fn nobody_is_answered_before_the_commit_it_shares() {
    let (db, _dir) = in_file().await;
    let mut first = begin(&db).await;
    write(&mut first).await;
    let (go, second) = commit_later(&db);
    settle().await;
    // The second queues: the first leaves its commit to the group.
    let first = tokio::spawn(first.commit());
    settle().await;
    assert!(!first.is_finished());
    assert_eq!(count(&db, "audit_log").await, 0);
    go.send(()).expect("it waits");
    first.await.expect("no panic").expect("committed");
    second.await.expect("no panic").expect("committed");
    assert_eq!(count(&db, "audit_log").await, 2);
    assert_chained(&db).await;
}

#[tokio::test]
async fn one_that_fails_undoes_itself_alone() {
    let (db, _dir) = in_file().await;
    let mut numbers = Vec::new();
    let mut tasks = Vec::new();
    for i in 0..60 {
        let db = db.clone();
        tasks.push(tokio::spawn(async move {
            let mut tx = begin(&db).await;
            let number = write(&mut tx).await;
            match i % 4 {
                0 => None,
                1 => {
                    let sql = "INSERT INTO number_series (series, last) VALUES ('T-2026', 1)";
                    execute(&*tx, sql, vec![]).await.expect_err("it is there already");
                    None
                }
                _ => tx.commit().await.ok().map(|()| number),
            }
        }));
    }
    for task in tasks {
        numbers.extend(task.await.expect("no panic"));
    }
    numbers.sort();
    let expected: Vec<_> = (1..=30).map(|n| format!("T-2026-{n:06}")).collect();
    assert_eq!(numbers, expected, "no gap and no repeat");
    assert_eq!(count(&db, "audit_log").await, 30);
    assert_chained(&db).await;
}

#[tokio::test]
async fn who_is_gone_before_the_commit_takes_nobody_along() {
    let (db, _dir) = in_file().await;
    let mut first = begin(&db).await;
    write(&mut first).await;
    let (go, second) = commit_later(&db);
    settle().await;
    let first = tokio::spawn(first.commit());
    settle().await;
    first.abort();
    go.send(()).expect("it waits");
    second.await.expect("no panic").expect("committed");
    // What had ended well stays, whether somebody waits for it or not.
    assert_eq!(count(&db, "audit_log").await, 2);
    assert_chained(&db).await;
}

#[tokio::test]
async fn a_commit_that_fails_fails_for_all_and_leaves_the_writer_whole() {
    let (db, _dir) = in_file().await;
    let mut tx = begin(&db).await;
    let sql = "CREATE TABLE heads (id INTEGER PRIMARY KEY)";
    execute(&*tx, sql, vec![]).await.expect("made");
    let sql = "CREATE TABLE parts (head INTEGER NOT NULL REFERENCES heads (id) \
               DEFERRABLE INITIALLY DEFERRED)";
    execute(&*tx, sql, vec![]).await.expect("made");
    write(&mut tx).await;
    tx.commit().await.expect("committed");

    let mut first = begin(&db).await;
    write(&mut first).await;
    execute(&*first, "INSERT INTO parts (head) VALUES (1)", vec![]).await.expect("deferred");
    let (go, second) = commit_later(&db);
    settle().await;
    let first = tokio::spawn(first.commit());
    settle().await;
    go.send(()).expect("it waits");
    first.await.expect("no panic").expect_err("there is no head");
    second.await.expect("no panic").expect_err("it was part of the group");
    assert_eq!((count(&db, "audit_log").await, count(&db, "parts").await), (1, 0));

    let mut tx = begin(&db).await;
    assert_eq!(write(&mut tx).await, "T-2026-000002");
    tx.commit().await.expect("committed");
    assert_chained(&db).await;
}

#[tokio::test]
async fn a_wait_for_the_writer_ends() {
    let (db, _dir) = in_file().await;
    let held = begin(&db).await;
    let refused = db.begin(&Ctx::system("test")).await.err().expect("held");
    assert_eq!((refused.status(), refused.code()), (503, "database_busy"));
    drop(held);
    begin(&db).await.commit().await.expect("free again");
}
