//! Upstreams that are not there, do not answer, or answer nonsense.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::upstream::{Fault, Misbehaving, Upstream, body_by_hand};
use super::{Gateway, eventually, problem};

/// An address where nobody is.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

async fn send(gateway: &Gateway, method: Method, headers: &[(&str, &str)]) -> Response {
    let request = gateway.request(method, "/test/echo").body("small");
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn several_upstreams_are_asked_in_turn() {
    let upstreams = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let urls = upstreams.each_ref().map(|upstream| upstream.url.as_str());
    // As the environment gives a list.
    let gateway = Gateway::start(&[("gateway.routes.test.url", json!(urls.join(", ")))]).await;
    for _ in 0..30 {
        assert_eq!(gateway.get("/test/echo").await.status(), 200);
    }
    assert_eq!(upstreams.each_ref().map(|upstream| upstream.seen.requests()), [10, 10, 10]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_costs_nothing_but_a_try_and_is_taken_back_when_it_is() {
    let (missing, there) = (nowhere(), Upstream::start().await);
    let gateway = Gateway::before(&[&missing, &there.url]).await;
    // Nothing was sent, so any request may go to the other.
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        for _ in 0..5 {
            assert_eq!(send(&gateway, method.clone(), &[]).await.status(), 200);
        }
    }
    let tried = gateway.figure("erp_gateway_failures_total").await;
    assert!((5..10).contains(&tried), "it is left alone after a few failures: {tried}");
    let back = Upstream::start_at(missing.trim_start_matches("http://")).await;
    eventually("it is asked again", async || {
        assert_eq!(send(&gateway, Method::POST, &[]).await.status(), 200);
        back.seen.requests() > 0
    })
    .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_sent_again_only_if_that_does_no_harm() {
    let key = ("idempotency-key", "one");
    let version = ("if-match", "\"v1\"");
    let check = async |method: Method, headers: &[(&str, &str)], is_repeated: bool| {
        let (bad, good) = (Misbehaving::start(Fault::Close).await, Upstream::start().await);
        let gateway = Gateway::before(&[&bad.url, &good.url]).await;
        let answer = send(&gateway, method.clone(), headers).await;
        let case = format!("{method} {headers:?}");
        assert_eq!(bad.requests(), 1, "{case}");
        if is_repeated {
            assert_eq!(answer.status(), 200, "{case}");
            let echo: Value = answer.json().await.expect("JSON");
            assert_eq!(
                (&echo["method"], &echo["body"]),
                (&json!(method.as_str()), &json!("small"))
            );
        } else {
            problem(answer, 502, "bad_gateway").await;
            assert_eq!(good.seen.requests(), 0, "{case}");
        }
        gateway.stop().await;
        good.stop().await;
    };
    check(Method::GET, &[], true).await;
    check(Method::OPTIONS, &[], true).await;
    check(Method::PUT, &[], true).await;
    check(Method::DELETE, &[], true).await;
    check(Method::PUT, &[version], false).await;
    check(Method::PUT, &[version, key], true).await;
    check(Method::POST, &[], false).await;
    check(Method::POST, &[key], true).await;
    check(Method::PATCH, &[], false).await;
    check(Method::PATCH, &[key], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_too_large_to_keep_is_sent_once() {
    let (bad, good) = (Misbehaving::start(Fault::Close).await, Upstream::start().await);
    let gateway = Gateway::before(&[&bad.url, &good.url]).await;
    let request = gateway.request(Method::PUT, "/test/upload").body(vec![0; 128 * 1024]);
    problem(request.send().await.expect("an answer"), 502, "bad_gateway").await;
    assert_eq!(good.seen.requests(), 0);
    gateway.stop().await;
    // Where nobody was there to take any of it, it goes to the other whole.
    let missing = nowhere();
    let gateway = Gateway::before(&[&missing, &good.url]).await;
    let request = gateway.request(Method::POST, "/test/upload").body(vec![0; 128 * 1024]);
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer, json!({ "received": 128 * 1024 }));
    assert_eq!(gateway.figure("erp_gateway_failures_total").await, 1);
    gateway.stop().await;
    good.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_failure_has_its_problem() {
    let check = async |url: &str, status: u16, code: &str| {
        let gateway = Gateway::start(&[
            ("gateway.routes.test.url", json!(url)),
            ("gateway.routes.test.timeout_s", json!(1)),
        ])
        .await;
        problem(gateway.get("/test/echo").await, status, code).await;
        // The others are there all the same.
        assert_eq!(gateway.get("/docs/").await.status(), 200);
        gateway.stop().await;
    };
    check(&nowhere(), 503, "module_unavailable").await;
    check(&Misbehaving::start(Fault::Close).await.url, 502, "bad_gateway").await;
    check(&Misbehaving::start(Fault::Nonsense).await.url, 502, "bad_gateway").await;
    check(&Misbehaving::start(Fault::Silence).await.url, 504, "gateway_timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_whose_http_2_connection_is_silent_times_out_too() {
    let silent = Misbehaving::start(Fault::Silence).await;
    let gateway = Gateway::start(&[
        ("gateway.routes.test.url", json!(silent.url)),
        ("gateway.routes.test.http2", json!(true)),
        ("gateway.routes.test.timeout_s", json!(1)),
    ])
    .await;
    problem(gateway.get("/test/echo").await, 504, "gateway_timeout").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_does_not_pass_for_a_whole_one() {
    let short = Misbehaving::start(Fault::Short).await;
    let gateway = Gateway::before(&[&short.url]).await;
    let answer = gateway.get("/test/echo").await;
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
    assert_eq!(short.requests(), 1, "an answer had begun");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_answers_is_soon_asked_no_more() {
    let silent = Misbehaving::start(Fault::Silence).await;
    let gateway = Gateway::start(&[
        ("gateway.routes.test.url", json!(silent.url)),
        ("gateway.routes.test.timeout_s", json!(1)),
    ])
    .await;
    let asked: Vec<_> = (0..5).map(|_| gateway.request(Method::GET, "/test/echo").send()).collect();
    for answer in futures_util::future::join_all(asked).await {
        problem(answer.expect("an answer"), 504, "gateway_timeout").await;
    }
    // Open: nobody waits for it.
    let begun = Instant::now();
    problem(gateway.get("/test/echo").await, 503, "module_unavailable").await;
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    assert_eq!(silent.requests(), 5);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_wait_for_one_module() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&[
        ("gateway.routes.test.url", json!(upstream.url)),
        ("gateway.max_waiting", json!(2)),
    ])
    .await;
    let waiting: Vec<_> =
        (0..2).map(|_| tokio::spawn(gateway.request(Method::GET, "/test/wait").send())).collect();
    eventually("two wait", async || upstream.seen.requests() == 2).await;
    problem(gateway.get("/test/echo").await, 503, "module_overloaded").await;
    upstream.seen.go.notify_waiters();
    for answer in waiting {
        assert_eq!(answer.await.expect("ended").expect("an answer").status(), 200);
    }
    assert_eq!(gateway.get("/test/echo").await.status(), 200);
    gateway.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_keeps_us_waiting_is_told_so() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&[
        ("gateway.routes.test.url", json!(upstream.url)),
        ("gateway.routes.test.timeout_s", json!(1)),
    ])
    .await;
    let (pieces, body) = body_by_hand();
    let answer = tokio::spawn(gateway.request(Method::POST, "/test/upload").body(body).send());
    pieces.send(vec![0; 10]).await.expect("taken");
    let answer = answer.await.expect("ended").expect("an answer");
    assert_eq!(answer.status(), 408);
    // Nor is it the upstream's fault.
    assert_eq!(gateway.figure("erp_gateway_failures_total").await, 0);
    drop(pieces);
    gateway.stop().await;
    upstream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_which_modules_are_missing_and_lets_the_others_be() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&[
        ("gateway.routes.test.url", json!([upstream.url])),
        ("remote.orders.url", json!(nowhere())),
        ("remote.orders.internal_url", json!("")),
        ("remote.sales.url", json!([upstream.url, nowhere()])),
        ("remote.sales.internal_url", json!("")),
    ])
    .await;
    let report = async || -> (u16, Value) {
        let answer = gateway.get("/health/ready").await;
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    };
    let status = |report: &Value, module: &str| {
        let modules = report["modules"].as_array().expect("modules");
        modules.iter().find(|row| row["module"] == module).expect("listed")["status"].clone()
    };
    eventually("they have been asked", async || {
        let (_, report) = report().await;
        ["test", "orders", "sales"].iter().all(|module| status(&report, module) != "unknown")
    })
    .await;
    let (http, report_now) = report().await;
    assert_eq!((http, &report_now["status"]), (200, &json!("degraded")));
    let expected = [
        ("test", "ok"),
        ("orders", "unreachable"),
        ("sales", "degraded"),
        ("auth", "not_configured"),
    ];
    for (module, expected) in expected {
        assert_eq!(status(&report_now, module), expected, "{module}");
    }
    problem(gateway.get("/api/v1/auth/me").await, 401, "token_required").await;
    upstream.stop().await;
    eventually("it is missed", async || status(&report().await.1, "test") == "unreachable").await;
    assert_eq!(gateway.get("/health/live").await.status(), 200);
    gateway.stop().await;
}
