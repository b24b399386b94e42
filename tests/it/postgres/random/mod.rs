//! Several actors at once, each with a random sequence of commands, over the same few goods,
//! orders, invoices and bills, on PostgreSQL. Whatever the interleaving, they are refused
//! only as documented, and when all is told no law is broken.
//!
//! `ERP_TEST_SEED` repeats the commands of a round (though not who came first), and
//! `ERP_TEST_SECONDS` says how long to go on.

mod actor;
mod command;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use self::actor::{Actor, Documented, Told};
use self::command::commands;
use crate::flows::{address, company};
use crate::harness::{Api, Server, seconds, text};
use crate::postgres::checks;

const ACTORS: usize = 8;
const COMMANDS: usize = 40;
/// Rounds at most, for want of an action that has not been done yet.
const MOST: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_several_do_at_once_no_law_is_broken() {
    if !test_support::available("postgres") {
        return;
    }
    let given = std::env::var("ERP_TEST_SEED").ok();
    let given = given.map(|seed| seed.parse::<u64>().expect("ERP_TEST_SEED is a number"));
    let first = given.unwrap_or_else(|| Uuid::now_v7().as_u64_pair().1 >> 16);
    let begun = Instant::now();
    let mut told = Told::new();
    let mut rounds = 0;
    // A machine that is busy with others may do little in its time.
    while begun.elapsed() < seconds(45) || (rounds < MOST && !missing(&told).is_empty()) {
        println!("ERP_TEST_SEED={}", first + rounds);
        for (key, count) in round(first + rounds).await {
            *told.entry(key).or_default() += count;
        }
        rounds += 1;
    }
    println!("{rounds} rounds of {ACTORS} actors with {COMMANDS} commands each");
    for ((operation, status, code), count) in &told {
        println!("{count:5} × {operation}: {status} {code}");
    }
    assert_eq!(missing(&told), [""; 0], "was never done");
}

/// It is no use to be refused all the time.
fn missing(told: &Told) -> Vec<&'static str> {
    let done = told.iter().filter(|((_, status, _), _)| *status < 300);
    let done: Vec<_> = done.map(|((operation, ..), _)| operation.as_str()).collect();
    let wanted =
        ["confirm", "ship", "returns", "issue", "credit-notes", "payments", "refunds", "bills"];
    let is_done = |action: &str| done.iter().any(|operation| operation.ends_with(action));
    wanted.into_iter().filter(|action| !is_done(action)).collect()
}

async fn round(seed: u64) -> Told {
    let settings = [("inventory.expiry_interval_s", json!(1))];
    let server = Server::start_on_postgres(&settings).await;
    let api = &server.api;
    let company = Arc::new(company(api).await);
    // Little enough that not everybody gets what they want.
    for product_id in &company.product_ids {
        let adjustment = json!({
            "warehouse_id": company.warehouse_id, "product_id": product_id, "quantity": "-980",
            "reason": "Sold elsewhere"
        });
        api.post("/api/v1/inventory/adjustments", adjustment).await.ok();
    }
    let poor = json!({
        "name": "Poor", "billing_address": address(),
        "credit_limit": {"amount": "500.00", "currency": "EUR"},
        "price_list_id": price_list(api, &company.customer_id).await
    });
    let poor = api.post("/api/v1/sales/customers", poor).await.ok();
    let told = Arc::new(Mutex::new(Told::new()));
    let actor = Actor {
        api: api.clone(),
        customer_ids: Arc::new([company.customer_id.clone(), text(&poor["id"])]),
        company,
        documented: Arc::new(Documented::of(&api.get("/openapi.json").await.ok())),
        told: told.clone(),
    };
    let actors = (0..ACTORS).map(|i| {
        let actor = actor.clone();
        tokio::spawn(async move {
            for command in commands(seed, i, COMMANDS) {
                actor.take(command).await;
            }
        })
    });
    for outcome in join_all(actors).await {
        outcome.unwrap_or_else(|e| panic!("ERP_TEST_SEED={seed}: {e}"));
    }
    server.assert_invariants().await;
    let url = server.database().expect("on PostgreSQL");
    assert_eq!(checks::broken(&url).await, [""; 0], "ERP_TEST_SEED={seed}");
    for product_id in &actor.company.product_ids {
        what_is_reserved_and_released_never_was(api, &actor.company.warehouse_id, product_id, 3)
            .await;
    }
    server.stop().await;
    assert_eq!(checks::deadlocks(&url).await, 0, "ERP_TEST_SEED={seed}");
    told.lock().expect("whole").clone()
}

async fn price_list(api: &Api, customer_id: &str) -> Value {
    let path = format!("/api/v1/sales/customers/{customer_id}");
    api.get(&path).await.ok()["price_list_id"].clone()
}

/// I-6 and I-12.
async fn what_is_reserved_and_released_never_was(
    api: &Api,
    warehouse_id: &str,
    product_id: &str,
    tries: u32,
) {
    let path =
        format!("/api/v1/inventory/stock?warehouse_id={warehouse_id}&product_id={product_id}");
    let before = api.get(&path).await.ok()["data"][0].clone();
    let units = |field: &str| text(&before[field]).parse::<i64>().expect("whole units");
    assert_eq!(units("available"), units("on_hand") - units("reserved"));
    if units("available") == 0 {
        return;
    }
    let new = json!({
        "warehouse_id": warehouse_id, "product_id": product_id, "note": "All of it",
        "quantity": before["available"], "ttl_s": 3600
    });
    let made = api.post("/api/v1/inventory/reservations", new.clone()).await.ok();
    api.post("/api/v1/inventory/reservations", new).await.problem(409, "insufficient_stock");
    let release = format!("/api/v1/inventory/reservations/{}/release", text(&made["id"]));
    let released = api.act(&release, &made).await.ok();
    let after = api.get(&path).await.ok()["data"][0].clone();
    let again = api.act(&release, &released).await;
    assert_eq!(again.status, 409, "{:#}", again.body);
    if after != before {
        // Meanwhile one of a second's life may have expired: those are gone now.
        let reserved = |stock: &Value| text(&stock["reserved"]).parse::<i64>().expect("whole");
        let expired = reserved(&after) < reserved(&before);
        assert!(expired && tries > 1, "{before:#} {after:#}");
        Box::pin(what_is_reserved_and_released_never_was(api, warehouse_id, product_id, tries - 1))
            .await;
    }
}
