//! Closing the stock through a day, and opening it again.

use chrono::{Days, NaiveDate, Utc};
use serde_json::{Value, json};

use super::{ADJUSTMENTS, RECEIPTS, adjustment, eur, product, receipt, warehouse};
use crate::auth::{age_session, refresh, sign_in};
use crate::harness::{ADMIN_PASSWORD, Server, text, with};

const PERIODS: &str = "/api/v1/inventory/stock-periods";

fn ago(days: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(days)
}

#[tokio::test]
async fn what_is_closed_stays_as_it_is_until_it_is_reopened() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, chair) = (warehouse(api, "MAIN").await, product(api, "CHAIR").await);
    let came = |units: &str, days| {
        let body = receipt(&main, &[(&chair, units, "10")]);
        with(body, "received_on", json!(ago(days)))
    };
    api.post(RECEIPTS, came("10", 40)).await.ok();
    api.post(PERIODS, json!({ "through": ago(0) })).await.points_at(
        422,
        "period_not_over",
        "/through",
    );
    let through = json!({ "through": ago(30), "note": "May" });
    let closed = api.post(PERIODS, through.clone()).await.ok();
    assert_eq!((&closed["status"], &closed["value"]), (&json!("closed"), &eur("100.00")));
    api.post(PERIODS, through.clone()).await.points_at(422, "stock_period_closed", "/through");
    let refused = api.post(RECEIPTS, came("1", 30)).await;
    let problem = refused.points_at(422, "stock_period_closed", "/received_on");
    assert_eq!(problem["params"]["closed_through"], json!(ago(30)));
    let gone = with(adjustment(&main, &chair, "-1"), "adjusted_on", json!(ago(35)));
    api.post(ADJUSTMENTS, gone.clone()).await.points_at(422, "stock_period_closed", "/adjusted_on");
    api.post(RECEIPTS, came("2", 29)).await.ok();
    let worth = async |days| {
        let report = format!("/api/v1/inventory/valuation?as_of={}", ago(days));
        api.get(&report).await.ok()["total"].clone()
    };
    assert_eq!([worth(30).await, worth(28).await], [eur("100.00"), eur("120.00")]);

    let path = format!("{PERIODS}/{}", text(&closed["id"]));
    assert_eq!(api.get(&path).await.ok(), closed);
    let why = json!({ "reason": "a chair was stolen in May" });
    let reopen = format!("{path}/reopen");
    api.post(&reopen, why.clone()).await.problem(428, "if_match_required");
    api.act_with(&reopen, &closed, json!({})).await.points_at(422, "invalid_body", "/reason");
    let opened = api.act_with(&reopen, &closed, why.clone()).await.ok();
    assert_eq!(opened["status"], "reopened");
    assert_eq!(opened["reopen_reason"], "a chair was stolen in May");
    let again = api.act_with(&reopen, &opened, why).await;
    again.problem(409, "illegal_transition");
    api.post(ADJUSTMENTS, gone).await.ok();
    let anew = api.post(PERIODS, through).await.ok();
    assert_eq!(anew["value"], eur("90.00"));
    assert_eq!([worth(30).await, worth(28).await], [eur("90.00"), eur("110.00")]);
    let listed = api.get(&format!("{PERIODS}?status=closed")).await.ok();
    assert_eq!(listed["data"], json!([anew]));
    let of = format!("/api/v1/inventory/audit-log?resource_id={}", text(&closed["id"]));
    let log = api.get(&of).await.ok();
    assert_eq!(log["data"].as_array().map(Vec::len), Some(2), "{log}");
    assert!(log.to_string().contains("a chair was stolen in May"), "{log}");
    // And the books say the same.
    server.settle().await;
    server.assert_invariants().await;
}

#[tokio::test]
async fn who_reopens_a_period_proves_anew_who_they_are() {
    let server = Server::start().await;
    let api = &server.api;
    let closed = api.post(PERIODS, json!({ "through": ago(30) })).await.ok();
    let tokens = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    let fresh = api.with_token(tokens["access_token"].as_str());
    let id = text(&fresh.get("/api/v1/auth/me").await.ok()["session_id"]);
    age_session(&server, &id).await;
    let tokens = refresh(api, &tokens).await.ok();
    let later = api.with_token(tokens["access_token"].as_str());
    let path = format!("{PERIODS}/{}/reopen", text(&closed["id"]));
    let why = json!({ "reason": "mistaken" });
    later.act_with(&path, &closed, why.clone()).await.problem(401, "step_up_required");
    // Closing goes on.
    later.post(PERIODS, json!({ "through": ago(20) })).await.ok();
    let proof = json!({ "password": ADMIN_PASSWORD });
    let tokens: Value = later.post("/api/v1/auth/me/step-up", proof).await.ok();
    let proved = api.with_token(tokens["access_token"].as_str());
    proved.act_with(&path, &closed, why).await.problem(409, "later_period_closed");
}
