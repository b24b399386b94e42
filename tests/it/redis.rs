//! Redis lost, refused or never there: it costs speed and nothing else.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::{REDIS_PASSWORD, Redis};

use crate::cache::with_redis;
use crate::crash::Process;
use crate::flows::{Company, company, quotation_to_cash};
use crate::harness::{Api, Server};
use crate::topology::Topology;

/// Flows and reads until told to stop; whatever fails is told.
async fn load(api: Api, company: Company, stop: Arc<AtomicBool>) -> Result<u32, String> {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        quotation_to_cash(&api, &company).await?;
        for id in &company.product_ids {
            let answer = api.get(&format!("/api/v1/inventory/products/{id}")).await;
            answer.success()?;
        }
        done += 1;
    }
    Ok(done)
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_restarted_under_load_not_one_request_fails_and_hits_come_back() {
    let Some(redis) = Redis::start() else { return };
    let server = Server::start_as(Topology::OneProcess, &with_redis(&redis)).await;
    let company = company(&server.api).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| tokio::spawn(load(server.api.clone(), company.clone(), stop.clone())))
        .collect();
    let hits = async || server.figure("erp_cache_hits_total").await;
    let is_up = async || server.figure("erp_redis_up").await == 1;
    for _ in 0..3 {
        let before = hits().await;
        until("a hit", async || hits().await > before).await;
        redis.kill();
        until("the loss", async || !is_up().await).await;
        let while_down = hits().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        // One that was on its way may still have been counted.
        assert!(hits().await <= while_down + 4, "there is nothing to hit");
        redis.restart();
        until("the return", async || is_up().await).await;
    }
    let before = hits().await;
    until("a hit", async || hits().await > before).await;
    stop.store(true, Ordering::Relaxed);
    let mut flows = 0;
    for client in clients {
        flows += client.await.expect("no panic").expect("not one request fails");
    }
    assert!(flows > 0);
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_and_works_where_redis_refuses_or_is_not_there() {
    let check = async |settings: &[(&str, Value)]| {
        let server = Server::start_as(Topology::OneProcess, settings).await;
        let company = company(&server.api).await;
        quotation_to_cash(&server.api, &company).await.expect("it works");
        assert_eq!(server.figure("erp_redis_up").await, 0);
        assert_eq!(server.figure("erp_cache_hits_total").await, 0);
        server.stop().await;
    };
    check(&[("redis.url", json!("redis://127.0.0.1:1"))]).await;
    let Some(redis) = Redis::start() else { return };
    let [url, _] = with_redis(&redis);
    check(&[url, ("redis.password", json!("not the password"))]).await;
}

#[test]
fn the_log_says_once_that_redis_cannot_be_reached() {
    let dir = std::env::temp_dir().join(format!("erp-redis-log-{}", uuid::Uuid::now_v7()));
    let mut child = Command::new(env!("CARGO_BIN_EXE_erp"))
        .args(["serve", "--bind", "127.0.0.1:0", "--data-dir"])
        .arg(&dir)
        // The platform's names.
        .env("Redis__Connection", "redis://127.0.0.1:1")
        .env("Redis__Password", "secret")
        .env("ERP__TELEMETRY__LEVEL", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the executable starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.contains("running at")) {
        said.push(lines.next().expect("it says where it runs").expect("text"));
    }
    // Long enough for three tries to reach it.
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    });
    said.extend(lines.map_while(Result::ok));
    killer.join().expect("no panic");
    let told = said.iter().filter(|line| line.contains("working without it")).count();
    assert_eq!(told, 1, "{said:#?}");
    assert!(!said.iter().any(|line| line.contains("secret")), "{said:#?}");
    std::fs::remove_dir_all(&dir).expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_with_tls_under_a_certificate_that_is_trusted() {
    let Some(redis) = Redis::start_tls() else { return };
    let authority = redis.authority().display().to_string();
    let check = async |trusted: &[(&str, &str)]| {
        let dir = std::env::temp_dir().join(format!("erp-redis-tls-{}", uuid::Uuid::now_v7()));
        let url = redis.url();
        let settings = [
            ("Redis__Connection", url.as_str()),
            ("Redis__Password", REDIS_PASSWORD),
            ("ERP__TELEMETRY__METRICS", "true"),
        ];
        let process = Process::start_with(&dir, &[&settings, trusted].concat());
        let figures = reqwest::get(format!("{}/metrics", process.base)).await.expect("an answer");
        let figures = figures.text().await.expect("text");
        drop(process);
        std::fs::remove_dir_all(&dir).expect("removed");
        figures.contains("erp_redis_up 1")
    };
    assert!(check(&[("SSL_CERT_FILE", &authority)]).await);
    assert!(!check(&[]).await, "anybody could have signed it");
}
