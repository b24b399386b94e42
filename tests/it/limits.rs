//! How many requests a caller may make.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use test_support::Redis;

use crate::cache::with_redis;
use crate::harness::{Answer, Api, Server};
use crate::topology::Topology;

const BURST: u64 = 10;

fn limits(of: &str) -> [(&'static str, Value); 2] {
    match of {
        "anonymous" => {
            [("rate_limit.anonymous_per_s", json!(1)), ("rate_limit.anonymous_burst", json!(BURST))]
        }
        _ => [("rate_limit.user_per_s", json!(1)), ("rate_limit.user_burst", json!(BURST))],
    }
}

/// Asks so often that the burst is used up; how many were let in, and how many of those the
/// time it took would have allowed.
async fn exhaust(ask: impl AsyncFn() -> Answer) -> (u64, u64) {
    let begun = Instant::now();
    let mut admitted = 0;
    for _ in 0..3 * BURST {
        let answer = ask().await;
        if answer.status == 429 {
            let allowed = BURST + begun.elapsed().as_secs() + 1;
            let wait = answer.headers["retry-after"].to_str().expect("ASCII").to_owned();
            assert_eq!(wait, "1");
            assert!(answer.headers["ratelimit"].to_str().expect("ASCII").contains(";r=0;t="));
            let problem = answer.problem(429, "rate_limited");
            assert_eq!(
                (&problem["retryable"], &problem["retry_after_s"]),
                (&json!(true), &json!(1))
            );
            return (admitted, allowed);
        }
        admitted += 1;
    }
    panic!("{admitted} requests were let in");
}

async fn ask(api: &Api) -> Answer {
    api.get("/api/v1/inventory/warehouses?limit=1").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_a_burst_and_a_rate_and_is_told_so() {
    let server = Server::start_as(Topology::OneProcess, &limits("user")).await;
    let answer = ask(&server.api).await;
    assert_eq!(answer.headers["ratelimit-policy"], "\"user\";q=10;w=10");
    assert_eq!(answer.headers["ratelimit"], "\"user\";r=9;t=1");
    let (admitted, allowed) = exhaust(async || ask(&server.api).await).await;
    assert!((BURST - 1..=allowed).contains(&admitted), "{admitted} of {allowed}");
    // It passes.
    let deadline = Instant::now() + Duration::from_secs(5);
    while ask(&server.api).await.status == 429 {
        assert!(Instant::now() < deadline, "the wait has an end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(server.figure("erp_rate_limited_total").await > 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_valid_token_is_counted_by_address() {
    let settings = [
        limits("anonymous")[0].clone(),
        limits("anonymous")[1].clone(),
        ("rate_limit.trusted_proxies", json!(["127.0.0.0/8"])),
    ];
    let server = Server::start_as(Topology::OneProcess, &settings).await;
    let from = |address: &'static str, token: Option<&str>| {
        let api = server.api.with_token(token);
        async move || {
            let request = api.request(Method::GET, "/api/v1/inventory/warehouses");
            api.send(request.header("x-forwarded-for", address)).await
        }
    };
    let (admitted, allowed) = exhaust(from("203.0.113.9", None)).await;
    assert!((BURST..=allowed).contains(&admitted), "{admitted} of {allowed}");
    // A made-up token is none; another address has its own burst; a user is no address.
    assert_eq!(from("203.0.113.9", Some("made up"))().await.status, 429);
    assert_eq!(from("203.0.113.10", Some("made up"))().await.status, 401);
    assert_eq!(from("203.0.113.9", server.api.token.as_deref())().await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_trusted_proxy_speaks_for_themselves() {
    let server = Server::start_as(Topology::OneProcess, &limits("anonymous")).await;
    let api = server.api.with_token(None);
    let turn = std::sync::atomic::AtomicU32::new(0);
    let (admitted, allowed) = exhaust(async || {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let request = api.request(Method::GET, "/api/v1/inventory/warehouses");
        api.send(request.header("x-forwarded-for", format!("203.0.113.{turn}"))).await
    })
    .await;
    assert!(admitted <= allowed, "{admitted} of {allowed}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_count_together_and_alone_while_redis_is_gone() {
    let Some(redis) = Redis::start() else { return };
    let settings = [with_redis(&redis), limits("anonymous")].concat();
    // Of the same Redis; that their databases differ does not matter here.
    let one = Server::start_as(Topology::OneProcess, &settings).await;
    let other = Server::start_as(Topology::OneProcess, &settings).await;
    let [one_api, other_api] = [&one, &other].map(|server| server.api.with_token(None));
    let (admitted, allowed) = exhaust(async || ask(&one_api).await).await;
    assert!(admitted <= allowed, "{admitted} of {allowed}");
    let (admitted, allowed) = exhaust(async || ask(&other_api).await).await;
    assert!(admitted <= allowed - BURST, "{admitted}: the first one's are counted");
    redis.kill();
    let (admitted, allowed) = exhaust(async || ask(&other_api).await).await;
    assert!((BURST..=allowed).contains(&admitted), "{admitted} of {allowed}");
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_counted_for_all_replicas() {
    let Some(redis) = Redis::start() else { return };
    let one = Server::start_as(Topology::OneProcess, &with_redis(&redis)).await;
    let other = Server::start_as(Topology::OneProcess, &with_redis(&redis)).await;
    let guess = async |server: &Server, password: &str| {
        let body = json!({"username": "admin", "password": password});
        server.api.with_token(None).post("/api/v1/auth/token", body).await
    };
    // Enough that the wait is longer than the machine may be slow.
    let mut waits = 0;
    for turn in 0..40 {
        let server = if turn % 2 == 0 { &one } else { &other };
        let answer = guess(server, "wrong").await;
        waits += u32::from(answer.status == 429);
        if waits > 0 {
            break;
        }
        answer.problem(401, "invalid_credentials");
    }
    assert!(waits > 0, "guessing is slowed down");
    // Whichever refused, both do; the failures were spread over the two.
    guess(&one, "wrong").await.problem(429, "too_many_attempts");
    guess(&other, "wrong").await.problem(429, "too_many_attempts");
    assert!(!redis.command(&["KEYS", "*"]).contains("admin"));
    one.stop().await;
    other.stop().await;
}
