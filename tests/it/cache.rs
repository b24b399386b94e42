//! Answers kept ready: never another than the database would give, and never older than what
//! the caller has written, whatever becomes of Redis.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{REDIS_PASSWORD, Redis, available};

use crate::flows::{company, purchase_to_stock, quotation_to_cash};
use crate::harness::{Answer, Api, Server, text};
use crate::topology::Topology;
use crate::tour::first_day;

/// Lists of what is kept by its id.
const KEPT: [&str; 17] = [
    "billing/bills",
    "billing/credit-notes",
    "billing/invoices",
    "billing/journal-entries",
    "billing/payments",
    "billing/tax-rates",
    "inventory/products",
    "inventory/warehouses",
    "orders/orders",
    "orders/returns",
    "orders/shipments",
    "purchasing/purchase-orders",
    "purchasing/receipts",
    "purchasing/suppliers",
    "sales/customers",
    "sales/price-lists",
    "sales/quotations",
];

pub fn with_redis(redis: &Redis) -> [(&'static str, Value); 2] {
    [("redis.url", json!(redis.url())), ("redis.password", json!(REDIS_PASSWORD))]
}

async fn product(api: &Api, sku: &str) -> Value {
    let new = json!({"sku": sku, "name": "Chair", "unit": "pcs", "tax_class": "standard"});
    api.post("/api/v1/inventory/products", new).await.ok()
}

async fn rename(api: &Api, path: &str, name: &str) -> Value {
    let request = api.request(Method::PATCH, path).header("If-Match", "*");
    let request = request.header("content-type", "application/merge-patch+json");
    api.send(request.body(json!({"name": name}).to_string())).await.ok()
}

async fn assert_kept_until_changed(server: &Server) {
    let api = &server.api;
    let product = product(api, "CHAIR").await;
    let path = format!("/api/v1/inventory/products/{}", text(&product["id"]));
    let first = api.get(&path).await;
    assert!(first.statements() > 0);
    let second = api.get(&path).await;
    assert_eq!(second.statements(), 0);
    assert_eq!((&second.body, &second.headers["etag"]), (&first.body, &first.headers["etag"]));
    assert_eq!(server.figure("erp_cache_hits_total").await, 1);
    let renamed = rename(api, &path, "Stool").await;
    let third = api.get(&path).await;
    assert_eq!((third.statements() > 0, &third.body), (true, &renamed));
    assert_eq!(api.get(&path).await.statements(), 0);
    api.get("/api/v1/inventory/products/01936b2e-5d5c-7a10-8f5e-3c1f9f3b8a11")
        .await
        .problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_answer_costs_no_statement_and_is_gone_when_it_changes() {
    let settings = [("cache.in_process", json!("on"))];
    let server = Server::start_as(Topology::OneProcess, &settings).await;
    assert_kept_until_changed(&server).await;
    server.stop().await;
    if let Some(redis) = Redis::start() {
        let server = Server::start_as(Topology::OneProcess, &with_redis(&redis)).await;
        assert_kept_until_changed(&server).await;
        server.stop().await;
    }
    if let Some(redis) = Redis::start_cluster() {
        let [url, password] = with_redis(&redis);
        let settings = [url, password, ("redis.cluster", json!(true))];
        let server = Server::start_as(Topology::OneProcess, &settings).await;
        assert_kept_until_changed(&server).await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_where_the_settings_say_so() {
    let settings = [("cache.in_process", json!("off")), ("redis.url", json!(""))];
    let server = Server::start_as(Topology::OneProcess, &settings).await;
    let product = product(&server.api, "CHAIR").await;
    let path = format!("/api/v1/inventory/products/{}", text(&product["id"]));
    for _ in 0..3 {
        assert!(server.api.get(&path).await.statements() > 0);
    }
    server.stop().await;
}

/// The single reads of all there is.
async fn paths(api: &Api) -> Vec<String> {
    let mut paths = Vec::new();
    for list in KEPT {
        let page = api.get(&format!("/api/v1/{list}?limit=200")).await.ok();
        for row in page["data"].as_array().expect("a page") {
            paths.push(format!("/api/v1/{list}/{}", text(&row["id"])));
        }
    }
    paths
}

async fn read_all(api: &Api, paths: &[String]) -> BTreeMap<String, (Value, String)> {
    let mut answers = BTreeMap::new();
    for path in paths {
        let answer: Answer = api.get(path).await;
        let etag = answer.headers.get("etag").map(|etag| etag.to_str().expect("ASCII").to_owned());
        answers.insert(path.clone(), (answer.ok(), etag.unwrap_or_default()));
    }
    answers
}

/// What is read now, which may have been kept at any step before, is what there is.
async fn compare(server: &Server, redis: &Redis) {
    // In the midst of what follows from the last step.
    let seen = paths(&server.api).await;
    read_all(&server.api, &seen).await;
    server.settle().await;
    let seen = paths(&server.api).await;
    let kept = read_all(&server.api, &seen).await;
    redis.command(&["FLUSHALL"]);
    let fresh = read_all(&server.api, &seen).await;
    for (path, answer) in kept {
        assert_eq!(answer, fresh[&path], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_what_the_database_says_after_every_step() {
    let Some(redis) = Redis::start() else { return };
    let redis = Arc::new(redis);
    let server = Arc::new(Server::start_as(Topology::OneProcess, &with_redis(&redis)).await);
    let api = server.api.followed_by({
        let (server, redis) = (server.clone(), redis.clone());
        Arc::new(move || {
            let (server, redis) = (server.clone(), redis.clone());
            async move { compare(&server, &redis).await }.boxed()
        })
    });
    first_day(&server, &api).await;
    let company = company(&api).await;
    quotation_to_cash(&api, &company).await.expect("sold");
    purchase_to_stock(&api, &company).await.expect("bought");
    compare(&server, &redis).await;
    assert!(server.figure("erp_cache_hits_total").await > 0);
    for list in KEPT {
        let page = server.api.get(&format!("/api/v1/{list}?limit=1")).await.ok();
        assert!(
            !page["data"].as_array().expect("a page").is_empty(),
            "none of {list} was compared"
        );
    }
}

/// Writes a product through one replica and reads it from both, over and over: what is read
/// is never older than what was written.
async fn write_and_read(replicas: [Api; 2], path: String, until: Instant) -> (u32, u32) {
    let (mut writes, mut hits) = (0, 0);
    while Instant::now() < until {
        let name = format!("Chair {writes}");
        let written = rename(&replicas[writes as usize % 2], &path, &name).await;
        let version = written["version"].as_i64().expect("a version");
        writes += 1;
        for replica in &replicas {
            for _ in 0..3 {
                let answer = replica.get(&path).await;
                hits += u32::from(answer.statements() == 0);
                let read = answer.ok()["version"].as_i64().expect("a version");
                assert!(read >= version, "{path}: wrote {version} and then read {read}");
            }
        }
    }
    (writes, hits)
}

/// Only reads, so that there is always somebody about to keep what may be old already.
async fn read_on(replicas: [Api; 2], paths: Vec<String>, until: Instant) {
    while Instant::now() < until {
        for path in &paths {
            for replica in &replicas {
                replica.get(path).await.ok();
            }
        }
    }
}

async fn assert_own_writes_are_read(server: &Server, other: &Api, seconds: u64) {
    let replicas = [server.api.clone(), other.clone()];
    let mut paths = Vec::new();
    for i in 0..3 {
        let product = product(&server.api, &format!("CHAIR-{i}")).await;
        paths.push(format!("/api/v1/inventory/products/{}", text(&product["id"])));
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    // Two writers on each.
    let writers: Vec<_> = paths
        .iter()
        .chain(&paths)
        .map(|path| tokio::spawn(write_and_read(replicas.clone(), path.clone(), until)))
        .collect();
    let readers: Vec<_> =
        (0..2).map(|_| tokio::spawn(read_on(replicas.clone(), paths.clone(), until))).collect();
    let (mut writes, mut hits) = (0, 0);
    for writer in writers {
        let (written, hit) = writer.await.expect("no older version was read");
        writes += written;
        hits += hit;
    }
    for reader in readers {
        reader.await.expect("every read is answered");
    }
    println!("{writes} writes; {hits} of {} reads after them were hits", writes * 6);
    assert!(writes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_evicting_anything_nobody_reads_less_than_they_wrote() {
    let Some(redis) = Redis::start().filter(|_| available("postgres")) else { return };
    let mut server = Server::start_on_postgres(&with_redis(&redis)).await;
    let other = server.start_replica().await;
    redis.config_set("maxmemory-policy", "allkeys-lru");
    redis.config_set("maxmemory", "2500000");
    let stop = Arc::new(AtomicBool::new(false));
    let pressure = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let fill =
                "for i = 1, 50 do redis.call('SET', KEYS[1] .. i, string.rep('x', 2000)) end";
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                round = (round + 1) % 100;
                redis.command(&["EVAL", fill, "1", &format!("junk:{round}:")]);
                std::thread::sleep(Duration::from_millis(2));
            }
            redis.command(&["INFO", "stats"])
        }
    });
    assert_own_writes_are_read(&server, &other, 8).await;
    stop.store(true, Ordering::Relaxed);
    let stats = pressure.join().expect("no panic");
    let evicted = stats.lines().find_map(|line| line.strip_prefix("evicted_keys:"));
    let evicted: u64 = evicted.expect("counted").trim().parse().expect("a number");
    println!("{evicted} keys were evicted");
    assert!(evicted > 1000, "{evicted}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_killed_again_and_again_nobody_reads_less_than_they_wrote() {
    let Some(redis) = Redis::start().filter(|_| available("postgres")) else { return };
    let mut server = Server::start_on_postgres(&with_redis(&redis)).await;
    let other = server.start_replica().await;
    let kills = Arc::new(AtomicU32::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let killer = std::thread::spawn({
        let (kills, stop) = (kills.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(900));
                redis.kill();
                std::thread::sleep(Duration::from_millis(300));
                redis.restart();
                kills.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert_own_writes_are_read(&server, &other, 8).await;
    stop.store(true, Ordering::Relaxed);
    killer.join().expect("no panic");
    assert!(kills.load(Ordering::Relaxed) >= 3);
    server.stop().await;
}
