//! PostgreSQL crashing under load: those who ask meanwhile are told to ask again, and whoever
//! does ends with exactly one effect.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use erp::gateway::MODULES;
use serde_json::json;
use test_support::PostgresServer;
use tokio::task::JoinSet;

use super::checks;
use crate::flows::{Company, company, purchase_to_stock, quotation_to_cash};
use crate::harness::{Api, Attempts, Server};
use crate::topology::Topology;

const CRASHES: usize = 3;
const CLIENTS: usize = 6;

/// How long the load goes on before and after each crash, and how long the server is gone.
const UP: Duration = Duration::from_secs(2);
const DOWN: Duration = Duration::from_secs(1);

/// How long after PostgreSQL is back the first request is answered, at the latest.
const RECOVERY: Duration = Duration::from_secs(3);

/// Each line of the report is of this long.
const SLICE: Duration = Duration::from_millis(500);

/// A connection is waited for that long, so no answer takes much longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What all clients have brought about, as far as they know.
#[derive(Default, Debug)]
struct Done {
    sales: i64,
    purchases: i64,
    receipts: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_database_costs_those_who_insist_time_and_nothing_else() {
    if !test_support::available("postgres") {
        return;
    }
    let postgres = PostgresServer::start(&[]);
    let url = postgres.create_database(None).await;
    let patience = json!(PATIENCE.as_millis() as u64);
    let settings = [("data.acquire_timeout_ms", patience)];
    let sql = test_support::config(&MODULES, &url);
    let server = Server::start_on(sql, Topology::OneProcess, &settings).await;
    let company = Arc::new(company(&server.api).await);
    let attempts = Attempts::default();
    let begun = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let api = server.api.insisting(attempts.clone());
        clients.spawn(load(api, company.clone(), client, stop.clone()));
    }
    let mut gone = Vec::new();
    for _ in 0..CRASHES {
        tokio::time::sleep(UP).await;
        let crashed = begun.elapsed();
        tokio::task::block_in_place(|| postgres.crash());
        tokio::time::sleep(DOWN).await;
        tokio::task::block_in_place(|| postgres.restart());
        gone.push(crashed..begun.elapsed());
    }
    tokio::time::sleep(UP).await;
    stop.store(true, Ordering::Relaxed);
    let done = clients.join_all().await.into_iter().fold(Done::default(), |sum, done| Done {
        sales: sum.sales + done.sales,
        purchases: sum.purchases + done.purchases,
        receipts: sum.receipts + done.receipts,
    });
    println!("PostgreSQL was gone in {gone:.1?}; {done:?}");
    report(&attempts, begun);
    for Range { end, .. } in gone {
        let attempts = attempts.lock().expect("whole");
        let answered = attempts.iter().filter(|attempt| attempt.status < 300);
        let answered = answered.map(|attempt| (attempt.begun + attempt.took) - begun);
        let first = answered.filter(|at| *at > end).min().expect("it recovers");
        assert!(first - end < RECOVERY, "back at {end:?}, and the first answer at {first:?}");
    }

    server.assert_invariants().await;
    assert_eq!(checks::broken(&url).await, [""; 0]);
    let expected = [
        ("orders.orders WHERE status = 'completed'", done.sales),
        ("orders.orders", done.sales),
        ("sales.quotations", done.sales),
        ("billing.invoices WHERE status = 'settled'", done.sales),
        ("billing.payments WHERE direction = 'incoming'", done.sales),
        ("purchasing.purchase_orders", done.purchases),
        ("billing.bills WHERE status = 'settled'", done.purchases),
        ("billing.payments WHERE direction = 'outgoing'", done.purchases),
        ("inventory.stock_moves WHERE reason = 'one by one'", done.receipts),
    ];
    for (rows, count) in expected {
        let sql = format!("SELECT COUNT(*) AS n FROM {rows}");
        assert_eq!(checks::count(&url, &sql).await, count, "{rows}");
    }
    server.stop().await;
}

async fn load(api: Api, company: Arc<Company>, client: usize, stop: Arc<AtomicBool>) -> Done {
    let mut done = Done::default();
    while !stop.load(Ordering::Relaxed) {
        match client % 3 {
            0 => {
                quotation_to_cash(&api, &company).await.expect("the flow");
                done.sales += 1;
            }
            1 => {
                purchase_to_stock(&api, &company).await.expect("the flow");
                done.purchases += 1;
            }
            _ => {
                let lines = json!([{
                    "product_id": company.product_ids[0], "quantity": "1", "unit_cost": "3.50"
                }]);
                let receipt = json!({
                    "warehouse_id": company.warehouse_id, "reason": "one by one", "lines": lines
                });
                api.post("/api/v1/inventory/receipts", receipt).await.ok();
                done.receipts += 1;
            }
        }
    }
    done
}

/// Prints how requests went as time went by, and holds them to what was promised.
fn report(attempts: &Attempts, begun: Instant) {
    let attempts = attempts.lock().expect("whole").clone();
    let slice = |at: Instant| (at.duration_since(begun).as_millis() / SLICE.as_millis()) as usize;
    let last = attempts.iter().map(|attempt| slice(attempt.begun)).max().unwrap_or_default();
    for number in 0..=last {
        let of: Vec<_> = attempts.iter().filter(|a| slice(a.begun) == number).collect();
        let refused = of.iter().filter(|attempt| attempt.status == 503).count();
        let longest = of.iter().map(|attempt| attempt.took).max().unwrap_or_default();
        let from = SLICE * number as u32;
        println!("{from:>6.1?}: {} of {} refused, longest {longest:.0?}", refused, of.len());
    }
    let worst = attempts.iter().map(|attempt| attempt.took).max().expect("there were some");
    assert!(worst < PATIENCE + Duration::from_secs(3), "one took {worst:?}");
    assert!(attempts.iter().any(|attempt| attempt.status == 503), "the crash went unnoticed");
    let failed = attempts.iter().find(|attempt| attempt.status >= 500 && attempt.status != 503);
    assert!(failed.is_none(), "{failed:?}");
}
