//! Two replicas on the same databases: it makes no difference who is asked, one of them does
//! what only one may do, and when it dies the other goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use erp::gateway::MODULES;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::checks;
use crate::crash::{Process, assert_laws, sign_in};
use crate::flows::{Company, company, eventually, purchase_to_stock, quotation_to_cash};
use crate::harness::{Api, seconds, text};

const CLIENTS: usize = 4;
const REPEATS: usize = 20;

/// How long after the death of the replica that relays another may take over: what is left
/// of its lease, and the next look at it.
const TAKEOVER: Duration = Duration::from_secs(8);

/// Two processes and what they share. The first has been the only one for a moment: whatever
/// only one may do, it does.
struct Replicas {
    first: Process,
    second: Process,
    url: String,
    dir: PathBuf,
    company: Company,
}

impl Replicas {
    async fn start() -> Replicas {
        let url = test_support::shared().create_database(None).await;
        let dir = std::env::temp_dir().join(format!("erp-replicas-{}", Uuid::now_v7()));
        let first = Process::start_on(&url, &dir);
        let company = company(&sign_in(&first.base).await).await;
        let deadline = Instant::now() + Duration::from_secs(5);
        while holders(&url).await.len() < MODULES.len() {
            assert!(Instant::now() < deadline, "nobody holds {:?}", holders(&url).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let second = Process::start_on(&url, &dir);
        Replicas { first, second, url, dir, company }
    }

    /// Nothing is wrong once all is told.
    async fn assert_sound(&self, api: &Api) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while checks::undelivered(&self.url).await > 0 {
            assert!(Instant::now() < deadline, "some events are never delivered");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_laws(api).await;
        assert_eq!(checks::broken(&self.url).await, [""; 0]);
        assert_eq!(checks::deadlocks(&self.url).await, 0);
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Who holds what there is to hold, by module and name, with the number of its fence.
async fn holders(url: &str) -> Vec<String> {
    let of = MODULES.map(|module| {
        format!(
            "SELECT '{module} ' || name || ' ' || holder || ' ' || fence AS broken \
                 FROM {module}.leases WHERE expires_at > clock_timestamp()"
        )
    });
    checks::lines(url, &(of.join(" UNION ALL ") + " ORDER BY 1")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_are_one_system() {
    if !test_support::available("postgres") {
        return;
    }
    let replicas = Replicas::start().await;
    let held = holders(&replicas.url).await;
    let (first, second) =
        (sign_in(&replicas.first.base).await, sign_in(&replicas.second.base).await);
    let both = first.in_turn_with(&second);
    let until = Instant::now() + seconds(5);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (api, company) = (both.clone(), replicas.company.clone());
        clients.spawn(async move {
            let mut flows = 0;
            while Instant::now() < until {
                match client % 2 {
                    0 => quotation_to_cash(&api, &company).await.map(drop),
                    _ => purchase_to_stock(&api, &company).await.map(drop),
                }
                .expect("the flow, a step here and a step there");
                flows += 1;
            }
            flows
        });
    }
    let flows: usize = clients.join_all().await.into_iter().sum();
    println!("{flows} flows, {} deliveries", checks::deliveries(&replicas.url).await);
    replicas.assert_sound(&both).await;
    for list in ["orders/orders", "billing/invoices", "billing/payments", "inventory/stock"] {
        let path = format!("/api/v1/{list}");
        assert_eq!(first.get(&path).await.ok(), second.get(&path).await.ok(), "{list}");
    }
    assert_eq!(holders(&replicas.url).await, held, "what one does has changed hands");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_on_both_replicas_at_once_has_one_effect() {
    if !test_support::available("postgres") {
        return;
    }
    let replicas = Replicas::start().await;
    let (first, second) =
        (sign_in(&replicas.first.base).await, sign_in(&replicas.second.base).await);
    for _ in 0..REPEATS {
        let receipt = json!({
            "warehouse_id": replicas.company.warehouse_id, "reason": "only once", "lines": [{
                "product_id": replicas.company.product_ids[0], "quantity": "1", "unit_cost": "2"
            }]
        });
        let key = Uuid::now_v7().to_string();
        let path = "/api/v1/inventory/receipts";
        let (here, there) = tokio::join!(
            first.post_with_key(path, receipt.clone(), &key),
            second.post_with_key(path, receipt.clone(), &key)
        );
        assert_eq!((here.status, there.status), (201, 201), "{:#} {:#}", here.body, there.body);
        assert_eq!(here.body, there.body);
    }
    let sql = "SELECT COUNT(*) AS n FROM inventory.stock_moves WHERE reason = 'only once'";
    assert_eq!(checks::count(&replicas.url, sql).await, REPEATS as i64);
    replicas.assert_sound(&first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_replica_publishes_is_delivered_at_once() {
    if !test_support::available("postgres") {
        return;
    }
    let replicas = Replicas::start().await;
    // The first relays, and hears of none of this but by the database.
    let api = sign_in(&replicas.second.base).await;
    let mut waits = Vec::new();
    for _ in 0..REPEATS {
        waits.push(until_drafted(&api, &replicas.company).await);
    }
    waits.sort();
    let (median, longest) = (waits[REPEATS / 2], waits[REPEATS - 1]);
    println!("invoices drafted after {median:.1?}, the slowest after {longest:.1?}");
    // A relay that nobody wakes looks by itself every second.
    assert!(median < Duration::from_millis(300), "{waits:?}");
}

/// How long after its shipment an invoice is there.
async fn until_drafted(api: &Api, company: &Company) -> Duration {
    let new = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id,
        "lines": [{"product_id": company.product_ids[0], "quantity": "1"}]
    });
    let order = api.post("/api/v1/orders/orders", new).await.ok();
    let path = format!("/api/v1/orders/orders/{}", text(&order["id"]));
    api.act(&format!("{path}/confirm"), &order).await.ok();
    let shipment = api.post(&format!("{path}/shipments"), json!({})).await.ok();
    let shipment_id = text(&shipment["id"]);
    api.act(&format!("/api/v1/orders/shipments/{shipment_id}/ship"), &shipment).await.ok();
    let begun = Instant::now();
    let drafts = format!("/api/v1/billing/invoices?shipment_id={shipment_id}");
    let is_there = |page: &Value| page["data"][0].is_object();
    eventually(api, &drafts, is_there).await.expect("an invoice");
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_replica_that_relays_is_killed_the_other_takes_over() {
    if !test_support::available("postgres") {
        return;
    }
    let mut replicas = Replicas::start().await;
    let third = Process::start_on(&replicas.url, &replicas.dir);
    let held = holders(&replicas.url).await;
    let api = sign_in(&replicas.second.base).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (api, company, stop) = (api.clone(), replicas.company.clone(), stop.clone());
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                until_drafted(&api, &company).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let killed = Instant::now();
    std::mem::replace(&mut replicas.first, third).kill();
    stop.store(true, Ordering::Relaxed);
    // Those who wait for an invoice now wait for another one to take over.
    clients.join_all().await;
    println!("events flow again {:.1?} after the holder was killed", killed.elapsed());

    let dead: Vec<_> = held.iter().map(|line| lease(line).0[2]).collect();
    let now = loop {
        let now = holders(&replicas.url).await;
        let is_dead = |line: &String| dead.iter().any(|holder| line.contains(holder));
        if now.len() == held.len() && !now.iter().any(is_dead) {
            break now;
        }
        assert!(killed.elapsed() < TAKEOVER, "{now:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for (was, is) in held.iter().zip(&now) {
        let ((was, old), (is, new)) = (lease(was), lease(is));
        assert_eq!(was[..2], is[..2]);
        assert_eq!(new, old + 1, "one change of hands, and one step of the fence");
    }
    replicas.assert_sound(&api).await;
}

/// The words before the number, and the number.
fn lease(line: &str) -> (Vec<&str>, i64) {
    let mut words: Vec<_> = line.split(' ').collect();
    let fence = words.pop().and_then(|fence| fence.parse().ok()).expect("a number");
    (words, fence)
}
