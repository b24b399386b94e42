//! What HTTP asks of every operation: methods, preconditions, media types.

use reqwest::Method;
use serde_json::{Value, json};

use crate::flows::{address, company};
use crate::harness::{Answer, Api, Server, etag, text, with};
use crate::topology::Topology;

const CUSTOMERS: &str = "/api/v1/sales/customers";

fn ada() -> Value {
    json!({"name": "Ada", "billing_address": address()})
}

async fn ask(api: &Api, method: Method, path: &str) -> Answer {
    api.send(api.request(method, path)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    for topology in [Topology::OneProcess, Topology::Separate] {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let customer = api.post(CUSTOMERS, ada()).await.ok();
        let one = format!("{CUSTOMERS}/{}", text(&customer["id"]));
        for path in [
            one.as_str(),
            &format!("{CUSTOMERS}?limit=1"),
            &format!("{CUSTOMERS}/00000000-0000-7000-8000-000000000000"),
            &format!("{CUSTOMERS}?nothing=1"),
            "/api/v1/nothing",
            "/health/live",
            "/health/ready",
            "/openapi.json",
            "/openapi/sales.json",
            "/.well-known/jwks.json",
        ] {
            let get = ask(api, Method::GET, path).await;
            let head = ask(api, Method::HEAD, path).await;
            assert_eq!((head.status, head.body), (get.status, Value::Null), "{topology:?} {path}");
            for name in ["content-type", "etag", "cache-control"] {
                assert_eq!(head.headers.get(name), get.headers.get(name), "{path} {name}");
            }
            if get.status == 200 {
                assert_eq!(head.headers["content-length"], get.headers["content-length"], "{path}");
            }
        }
        // These are no JSON.
        for path in ["/docs", "/docs/", "/docs/index.html", "/metrics"] {
            let get = api.request(Method::GET, path).send().await.expect("an answer");
            let head = api.request(Method::HEAD, path).send().await.expect("an answer");
            assert_eq!((head.status(), get.status().as_u16()), (get.status(), 200), "{path}");
            assert_eq!(head.text().await.expect("nothing"), "");
        }
        // Whoever may not read may not ask for the head either.
        let nobody = api.with_token(None);
        assert_eq!(ask(&nobody, Method::HEAD, &one).await.status, 401);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_in_another_way_is_told_which_there_are() {
    for topology in [Topology::OneProcess, Topology::Separate] {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let allow = |answer: &Answer| answer.headers["allow"].to_str().expect("text").to_owned();
        for (path, expected) in [
            (CUSTOMERS, "GET, POST, HEAD, OPTIONS"),
            ("/api/v1/auth/token", "POST, OPTIONS"),
            ("/health/live", "GET, HEAD, OPTIONS"),
            ("/health/ready", "GET, HEAD, OPTIONS"),
            ("/openapi.json", "GET, HEAD, OPTIONS"),
            ("/docs", "GET, HEAD, OPTIONS"),
            ("/docs/index.html", "GET, HEAD, OPTIONS"),
            ("/.well-known/jwks.json", "GET, HEAD, OPTIONS"),
        ] {
            let refused = ask(api, Method::DELETE, path).await;
            assert_eq!(allow(&refused), expected, "{path}");
            refused.problem(405, "method_not_allowed");
            let told = ask(api, Method::OPTIONS, path).await;
            assert_eq!((told.status, allow(&told).as_str()), (204, expected), "{path}");
        }
        let nothing = ask(api, Method::OPTIONS, "/api/v1/sales/nothing").await;
        nothing.problem(404, "no_such_path");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_meant_for_any_version_of_a_list() {
    let server = Server::start().await;
    let api = &server.api;
    let customer = api.post(CUSTOMERS, ada()).await.ok();
    let path = format!("{CUSTOMERS}/{}", text(&customer["id"]));
    let mut version = 1;
    let mut rename = async |tags: &str, is_meant: bool| {
        let request = api.request(Method::PATCH, &path).header("If-Match", tags);
        let answer = api.send(request.json(&json!({"name": tags}))).await;
        if !is_meant {
            let problem = answer.problem(412, "stale_version");
            assert_eq!(problem["params"]["current_version"], version, "{tags}");
            return;
        }
        version += 1;
        assert_eq!(answer.ok()["version"], version, "{tags}");
    };
    rename("\"v1\", \"v7\"", true).await;
    rename("\"v1\",\"v2\"", true).await;
    rename("*", true).await;
    // Weak tags are not compared, and those of others are nobody's here.
    for tags in ["W/\"v4\"", "\"v1\", W/\"v4\"", "\"4\"", "\"a,b\"", "\"v04\""] {
        rename(tags, false).await;
    }
    rename("\"a,b\", W/\"v4\", \"v4\"", true).await;
    // What is read may have any version.
    let request = api.request(Method::GET, &path).header("If-Match", "\"v1\", nothing");
    assert_eq!(api.send(request).await.ok()["version"], 5);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_json_that_is_not_encoded() {
    let server = Server::start().await;
    let api = &server.api;
    let customer = api.post(CUSTOMERS, ada()).await.ok();
    let path = format!("{CUSTOMERS}/{}", text(&customer["id"]));
    let patch = async |version: i64, kind: &str, encoding: Option<&str>| {
        let request =
            api.request(Method::PATCH, &path).header("If-Match", format!("\"v{version}\""));
        let request = request.header("Content-Type", kind).body(r#"{"name": "Grace"}"#);
        api.send(match encoding {
            Some(encoding) => request.header("Content-Encoding", encoding),
            None => request,
        })
        .await
    };
    patch(1, "application/json; charset=utf-8", None).await.ok();
    patch(2, "application/merge-patch+json", Some("identity")).await.ok();
    for kind in ["application/json-patch+json", "application/problem+json", "text/json", ""] {
        patch(3, kind, None).await.problem(415, "unsupported_media_type");
    }
    for encoding in ["gzip", "br", "identity, gzip"] {
        let answer = patch(3, "application/json", Some(encoding)).await;
        answer.problem(415, "unsupported_media_type");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_not_taken_for_an_object() {
    let server = Server::start().await;
    let api = &server.api;
    let trade = company(api).await;
    let list = json!(["Street 1", null, "10115", "Berlin", null, "DE"]);
    let answer = api.post(CUSTOMERS, with(ada(), "billing_address", list)).await;
    answer.points_at(422, "invalid_body", "/billing_address");
    let product = &trade.product_ids[0];
    let quotation = json!({
        "customer_id": trade.customer_id, "warehouse_id": trade.warehouse_id,
        "lines": [{"product_id": product, "quantity": "1"}, [product, "1", "2"]]
    });
    let answer = api.post("/api/v1/sales/quotations", quotation).await;
    answer.points_at(422, "invalid_body", "/lines/1");
    api.post(CUSTOMERS, json!(["Ada"])).await.points_at(422, "invalid_body", "");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_without_a_body_takes_none() {
    let server = Server::start().await;
    let api = &server.api;
    let trade = company(api).await;
    let quotation = json!({
        "customer_id": trade.customer_id, "warehouse_id": trade.warehouse_id,
        "lines": [{"product_id": trade.product_ids[0], "quantity": "1"}]
    });
    let draft = api.post("/api/v1/sales/quotations", quotation).await.ok();
    let path = format!("/api/v1/sales/quotations/{}/send", text(&draft["id"]));
    let send = async |body: &'static str| {
        let request = api.request(Method::POST, &path).header("Idempotency-Key", "once");
        api.send(request.header("If-Match", etag(&draft)).body(body)).await
    };
    for refused_first in [true, false] {
        send(r#"{"note": 1}"#).await.points_at(422, "invalid_body", "/note");
        send("[]").await.points_at(422, "invalid_body", "");
        send("{").await.problem(400, "malformed_json");
        if refused_first {
            for body in ["", "{}", " null "] {
                assert_eq!(send(body).await.ok()["status"], "sent", "{body}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_on_in_the_order_it_was_given_in() {
    let server = Server::start().await;
    let api = &server.api;
    for _ in 0..3 {
        api.post(CUSTOMERS, ada()).await.ok();
    }
    let page = api.get(&format!("{CUSTOMERS}?limit=1&sort=-created_at")).await.ok();
    let next = format!("{CUSTOMERS}?limit=1&cursor={}", text(&page["page"]["next_cursor"]));
    api.get(&next).await.ok();
    api.get(&format!("{next}&sort=-created_at")).await.ok();
    let other = api.get(&format!("{next}&sort=created_at")).await;
    other.points_at(400, "invalid_cursor", "?cursor");
    server.stop().await;
}
