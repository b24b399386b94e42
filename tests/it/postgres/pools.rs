//! A pool of which every connection is in use.

use std::time::{Duration, Instant};

use erp::gateway::MODULES;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, TransactionTrait};
use serde_json::json;

use super::connect;
use crate::harness::Server;
use crate::topology::Topology;

/// Of the pool under test.
const CONNECTIONS: usize = 2;
/// Longest wait for one of them.
const PATIENCE_MS: u64 = 400;

#[derive(FromQueryResult)]
struct Waiting {
    n: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_pool_answers_503_in_time_and_recovers() {
    if !test_support::available("postgres") {
        return;
    }
    let url = test_support::shared().create_database(None).await;
    let sql = test_support::config(&MODULES, &url);
    let settings = [
        ("sql.pools.inventory", json!(CONNECTIONS)),
        ("data.acquire_timeout_ms", json!(PATIENCE_MS)),
    ];
    let server = Server::start_on(sql, Topology::OneProcess, &settings).await;
    let products = "/api/v1/inventory/products";
    server.api.get(products).await.ok();

    let observer = connect(&url).await;
    let lock = observer.begin().await.expect("begun");
    let sql = "LOCK TABLE inventory.products IN ACCESS EXCLUSIVE MODE";
    lock.execute_unprepared(sql).await.expect("locked");
    let held: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let api = server.api.clone();
            tokio::spawn(async move { api.get(products).await })
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let sql = "SELECT COUNT(*) AS n FROM pg_locks WHERE NOT granted AND \
                   relation = 'inventory.products'::regclass";
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let waiting = Waiting::find_by_statement(statement).one(&lock).await;
        if waiting.expect("counted").is_some_and(|waiting| waiting.n == CONNECTIONS as i64) {
            break;
        }
        assert!(Instant::now() < deadline, "the connections are not all in use");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // Reading and writing alike; and other modules have pools of their own.
    let begun = Instant::now();
    let warehouse = json!({"code": "HAM", "name": "Hamburg"});
    for answer in [
        server.api.get(products).await,
        server.api.post("/api/v1/inventory/warehouses", warehouse.clone()).await,
    ] {
        assert_eq!(answer.headers["retry-after"], "1");
        answer.problem(503, "database_busy");
    }
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(2 * PATIENCE_MS), "{waited:?}");
    assert!(waited < Duration::from_millis(2 * PATIENCE_MS + 2000), "{waited:?}");
    server.api.get("/api/v1/sales/customers").await.ok();

    lock.commit().await.expect("unlocked");
    for held in held {
        held.await.expect("no panic").ok();
    }
    server.api.get(products).await.ok();
    server.api.post("/api/v1/inventory/warehouses", warehouse).await.ok();
    server.stop().await;
}
