//! A transaction that the database aborts, so that another can go on.

use std::time::{Duration, Instant};

use erp::gateway::MODULES;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, FromQueryResult, Statement, TransactionTrait,
};
use serde_json::json;

use super::connect;
use crate::flows::company;
use crate::harness::{Server, text};
use crate::topology::Topology;

#[derive(FromQueryResult)]
struct Waiting {
    n: i64,
}

/// Waits until somebody waits for a lock on a row.
async fn somebody_waits(conn: &DatabaseTransaction) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let sql = "SELECT COUNT(*) AS n FROM pg_locks WHERE NOT granted";
    loop {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let waiting = Waiting::find_by_statement(statement).one(conn).await.expect("counted");
        if waiting.is_some_and(|waiting| waiting.n > 0) {
            return;
        }
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_loses_a_deadlock_is_done_anew_and_counted() {
    if !test_support::available("postgres") {
        return;
    }
    let url = test_support::shared().create_database(None).await;
    let sql = test_support::config(&MODULES, &url);
    let settings = [("telemetry.metrics", json!(true))];
    let server = Server::start_on(sql, Topology::OneProcess, &settings).await;
    let company = company(&server.api).await;
    let order = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id,
        "lines": [{"product_id": company.product_ids[0], "quantity": "3"}]
    });
    let order = server.api.post("/api/v1/orders/orders", order).await.ok();
    let path = format!("/api/v1/orders/orders/{}", text(&order["id"]));
    server.api.act(&format!("{path}/confirm"), &order).await.ok();
    server.settle().await;

    // Against the order of all others: the lines first.
    let other = connect(&url).await;
    let other = other.begin().await.expect("begun");
    let run = async |sql: String| other.execute_unprepared(&sql).await.expect("done");
    // It is not the one to notice.
    run("SET LOCAL deadlock_timeout = '1min'".to_owned()).await;
    let id = text(&order["id"]);
    run(format!("SELECT 1 FROM orders.order_lines WHERE order_id = '{id}' FOR UPDATE")).await;
    let api = server.api.clone();
    let packing =
        tokio::spawn(async move { api.post(&format!("{path}/shipments"), json!({})).await });
    somebody_waits(&other).await;
    run(format!("SELECT 1 FROM orders.orders WHERE id = '{id}' FOR UPDATE")).await;
    other.commit().await.expect("committed");

    let shipment = packing.await.expect("no panic").ok();
    assert_eq!(shipment["order_id"], order["id"]);
    let metrics = reqwest::get(format!("{}/metrics", server.api.base)).await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let counted = "erp_transactions_retried_total{module=\"orders\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    server.assert_invariants().await;
    server.stop().await;
}
