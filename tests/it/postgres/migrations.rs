//! Migrations where several processes share a database, and versions follow each other.

use std::process::Output;

use erp::gateway::MODULES;
use sea_orm::ConnectionTrait;

use super::{connect, erp_with, said, stdout};
use crate::cli::{Dir, complaint};
use crate::harness::Server;
use crate::topology::Topology;

const PROCESSES: usize = 4;

struct Database {
    url: String,
    dir: Dir,
}

impl Database {
    async fn new() -> Database {
        let url = test_support::shared().create_database(None).await;
        Database { url, dir: Dir::new() }
    }

    fn migrate(&self, args: &[&str]) -> Output {
        let urls: Vec<_> = MODULES.iter().map(|module| (*module, self.url.as_str())).collect();
        erp_with(&self.dir, &[&["migrate"], args].concat(), &urls, &[])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_processes_that_start_at_once_one_runs_each_script() {
    if !test_support::available("postgres") {
        return;
    }
    let database = Database::new().await;
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> =
            (0..PROCESSES).map(|_| scope.spawn(|| database.migrate(&[]))).collect();
        running.into_iter().map(|running| running.join().expect("no panic")).collect()
    });
    let mut ran = Vec::new();
    for output in &outputs {
        let text = said(output);
        let lines = text.lines().map(ToOwned::to_owned);
        ran.extend(lines.filter(|line| line.contains(" ran ")));
    }
    ran.sort();
    let modules: Vec<_> = ran.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(modules, MODULES, "{ran:#?}");

    // Whole servers at once: what a first start makes is made once, too.
    let sql = test_support::config(&MODULES, &test_support::shared().create_database(None).await);
    let starts = (0..3).map(|_| {
        let sql = sql.clone();
        tokio::spawn(async { Server::start_on(sql, Topology::OneProcess, &[]).await })
    });
    for start in starts.collect::<Vec<_>>() {
        let server = start.await.expect("it starts");
        server.assert_invariants().await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_pending_and_changes_nothing() {
    if !test_support::available("postgres") {
        return;
    }
    let database = Database::new().await;
    for _ in 0..2 {
        let output = database.migrate(&["--check"]);
        assert!(complaint(&output).contains("6 schema(s) not up to date"));
        let text = stdout(&output);
        assert!(text.contains("orders      pending: 0001 common"), "{text}");
    }
    said(&database.migrate(&[]));
    let text = said(&database.migrate(&["--check"]));
    assert_eq!(text.matches("is up to date").count(), 6, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_served_and_a_changed_script_is_named() {
    if !test_support::available("postgres") {
        return;
    }
    let database = Database::new().await;
    said(&database.migrate(&[]));
    let conn = connect(&database.url).await;
    let newer = "INSERT INTO orders._sqlx_migrations \
                 (version, description, success, checksum, execution_time) \
                 VALUES (9000, 'from_the_future', TRUE, ''::bytea, 0)";
    conn.execute_unprepared(newer).await.expect("noted");
    let text = said(&database.migrate(&["--check"]));
    assert!(text.contains("run by a newer version: 9000 from_the_future"), "{text}");
    let sql = test_support::config(&MODULES, &database.url);
    Server::start_on(sql, Topology::OneProcess, &[]).await.stop().await;

    let changed = "UPDATE orders._sqlx_migrations SET checksum = 'x'::bytea WHERE version = 100";
    conn.execute_unprepared(changed).await.expect("changed");
    let output = database.migrate(&["--check"]);
    assert!(complaint(&output).contains("1 schema(s)"));
    assert!(stdout(&output).contains("orders      changed since they ran: 0100 "));
    let text = complaint(&database.migrate(&[]));
    assert!(text.contains("orders_db") && text.contains("script 0100"), "{text}");
    // Whoever gave up holds no lock: the next is told the same.
    assert_eq!(complaint(&database.migrate(&[])), text);
}
