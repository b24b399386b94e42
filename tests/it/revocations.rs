//! What was revoked works nowhere: at once where it happened, within seconds elsewhere.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::available;

use crate::harness::{ADMIN_PASSWORD, Api, Server, text};
use crate::topology::Topology;

const PASSWORD: &str = "six quiet lighthouses";
/// The longest time a session that has ended may be good elsewhere.
const LIMIT: Duration = Duration::from_secs(5);

async fn sign_in(api: &Api, name: &str, password: &str) -> Api {
    let body = json!({"username": name, "password": password});
    let tokens = api.with_token(None).post("/api/v1/auth/token", body).await.ok();
    api.with_token(Some(&text(&tokens["access_token"])))
}

async fn user(api: &Api) -> Value {
    let new = json!({"username": "ada", "name": "Ada", "password": PASSWORD});
    api.post("/api/v1/auth/users", new).await.ok()
}

async fn sign_out(api: &Api) {
    let answer = api.post("/api/v1/auth/token/revoke", Value::Null).await;
    assert_eq!(answer.status, 204);
}

/// Waits until `path` refuses the caller, and says how long it took.
async fn refused(api: &Api, path: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = api.get(path).await;
        if answer.status == 401 {
            answer.problem(401, "session_ended");
            return begun.elapsed();
        }
        assert!(begun.elapsed() < LIMIT, "{path} still lets them in");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn what_ended_here_is_refused_here_at_once() {
    let server = Server::start_as(Topology::OneProcess, &[]).await;
    let api = &server.api;
    let ada = user(api).await;
    let check = async |caller: &Api| {
        caller.get("/api/v1/auth/me").await.problem(401, "session_ended");
        caller.get("/api/v1/orders/orders").await.problem(401, "session_ended");
    };
    let (here, there) = (sign_in(api, "ada", PASSWORD).await, sign_in(api, "ada", PASSWORD).await);
    sign_out(&here).await;
    check(&here).await;
    there.get("/api/v1/auth/me").await.ok();

    let elsewhere = sign_in(api, "ada", PASSWORD).await;
    let change = json!({"current_password": PASSWORD, "new_password": "seven loud lighthouses"});
    assert_eq!(there.post("/api/v1/auth/me/password", change).await.status, 204);
    check(&elsewhere).await;
    there.get("/api/v1/auth/me").await.ok();

    let path = format!("/api/v1/auth/users/{}", text(&ada["id"]));
    let ada = api.get(&path).await.ok();
    api.act(&format!("{path}/disable"), &ada).await.ok();
    check(&there).await;
    api.get("/api/v1/auth/me").await.ok();
}

#[actix_web::test]
async fn a_replica_learns_of_it_within_seconds() {
    if !available("postgres") {
        return;
    }
    let mut server = Server::start_on_postgres(&[]).await;
    let replica = server.start_replica().await;
    let caller = sign_in(&server.api, "admin", ADMIN_PASSWORD).await;
    let there = replica.with_token(caller.token.as_deref());
    there.get("/api/v1/orders/orders").await.ok();
    sign_out(&caller).await;
    println!("refused after {:?}", refused(&there, "/api/v1/orders/orders").await);
    // One that starts now has not forgotten.
    let late = server.start_replica().await;
    let late = late.with_token(caller.token.as_deref());
    late.get("/api/v1/orders/orders").await.problem(401, "session_ended");
    replica.get("/api/v1/orders/orders").await.ok();
}

#[actix_web::test]
async fn every_module_learns_of_it_where_each_is_a_process() {
    let server = Server::start_as(Topology::Separate, &[]).await;
    let caller = sign_in(&server.api, "admin", ADMIN_PASSWORD).await;
    let paths = [
        "/api/v1/billing/invoices",
        "/api/v1/inventory/products",
        "/api/v1/orders/orders",
        "/api/v1/purchasing/suppliers",
        "/api/v1/sales/customers",
    ];
    for path in paths {
        caller.get(path).await.ok();
    }
    let begun = Instant::now();
    sign_out(&caller).await;
    caller.get("/api/v1/auth/me").await.problem(401, "session_ended");
    for path in paths {
        refused(&caller, path).await;
    }
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}
