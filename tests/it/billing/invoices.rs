//! Invoices and credit notes.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::billing::payments::payment;
use crate::billing::{drafted, eur, issued, path_of};
use crate::flows::company;
use crate::harness::{Answer, Server, etag, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_issued_with_or_without_a_day() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let draft = drafted(api, &company, "2").await;
    assert_eq!((&draft["status"], &draft["total"]), (&json!("draft"), &eur("47.76")));
    assert_eq!(draft.get("lines"), None, "lists leave lines out");
    let issue = format!("{}/issue", path_of(&draft));
    let post = |body: Option<(&str, &str)>| {
        let request = api
            .request(Method::POST, &issue)
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .header("If-Match", etag(&draft));
        match body {
            Some((kind, body)) => {
                api.send(request.header("Content-Type", kind).body(body.to_owned()))
            }
            None => api.send(request.body("{}")),
        }
    };
    let json_type = "application/json";
    // Nothing but null is no body: as good as none, had the version not changed.
    let stale_null = api
        .request(Method::POST, &issue)
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .header("If-Match", "\"v9\"")
        .header("Content-Type", json_type)
        .body("null");
    api.send(stale_null).await.problem(412, "stale_version");
    post(Some((json_type, "{"))).await.problem(400, "malformed_json");
    post(Some(("text/plain", "{}"))).await.problem(415, "unsupported_media_type");
    post(None).await.problem(415, "unsupported_media_type");
    post(Some((json_type, "{\"issued\": 1}"))).await.points_at(422, "invalid_body", "/issued");
    let future = "{\"issued_on\": \"9999-12-31\"}";
    post(Some((json_type, future))).await.points_at(422, "date_in_future", "/issued_on");
    let problem = post(Some((json_type, "{\"issued_on\": \"2026-01-29\"}"))).await.points_at(
        422,
        "issued_before_shipped",
        "/issued_on",
    );
    assert_eq!(problem["params"]["shipped_on"], "2026-01-30");
    let stale = with(draft.clone(), "version", json!(7));
    api.act(&issue, &stale).await.problem(412, "stale_version");
    let issued = post(Some((json_type, "{\"issued_on\": \"2026-01-31\"}"))).await.ok();
    assert_eq!(issued["number"], "INV-2026-000001");
    assert_eq!(
        (&issued["issued_on"], &issued["due_on"]),
        (&json!("2026-01-31"), &json!("2026-03-02"))
    );
    assert_eq!(api.get(&path_of(&issued)).await.ok(), issued);

    let second = drafted(api, &company, "1").await;
    let early = json!({"issued_on": "2026-01-30"});
    let problem = api
        .act_with(&format!("{}/issue", path_of(&second)), &second, early)
        .await
        .points_at(409, "date_before_last_issued", "/issued_on");
    assert_eq!(problem["params"]["last_issued_on"], "2026-01-31");
    let discarded = api.act(&format!("{}/discard", path_of(&second)), &second).await.ok();
    assert_eq!((&discarded["status"], &discarded["number"]), (&json!("discarded"), &Value::Null));
    let problem = api
        .act(&format!("{}/issue", path_of(&second)), &discarded)
        .await
        .problem(409, "illegal_transition");
    assert_eq!(problem["params"]["status"], "discarded");
    assert_eq!(discarded["allowed_actions"], json!(["redraft"]));
    let redraft = format!("{}/redraft", path_of(&second));
    api.act(&redraft, &second).await.problem(412, "stale_version");
    let anew = api.act(&redraft, &discarded).await.ok();
    assert_eq!((&anew["status"], &anew["total"]), (&json!("draft"), &second["total"]));
    api.act(&redraft, &anew).await.problem(409, "illegal_transition");
    api.act(&format!("{}/issue", path_of(&second)), &anew).await.ok();
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_note_takes_back_what_was_invoiced_and_no_more() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let invoice = issued(api, &company, "3").await;
    assert_eq!(invoice["total"], eur("71.64"));
    let credit = format!("{}/credit-notes", path_of(&invoice));
    let line = text(&invoice["lines"][0]["id"]);
    let of = |quantity: &str| {
        json!({
            "lines": [{"invoice_line_id": line, "quantity": quantity}], "reason": "came broken"
        })
    };
    let answer = api.post(&credit, of("1")).await;
    assert_eq!(answer.status, 201);
    let location = answer.headers["location"].to_str().expect("ASCII").to_owned();
    let note = answer.ok();
    assert_eq!((&note["total"], &note["applied"]), (&eur("23.88"), &eur("23.88")));
    assert_eq!(api.get(&location).await.ok(), note);
    let problem =
        api.post(&credit, of("2.5")).await.points_at(409, "over_credited", "/lines/0/quantity");
    assert_eq!(problem["params"]["left"], "2");
    api.post(&credit, of("0")).await.points_at(422, "invalid_body", "/lines/0/quantity");
    api.post(&credit, json!({"lines": []})).await.points_at(422, "invalid_body", "/reason");
    // The rest is paid, and then credited: the customer's money.
    let after = api.get(&path_of(&invoice)).await.ok();
    assert_eq!((&after["open"], &after["credited"]), (&eur("47.76"), &eur("23.88")));
    let allocations = json!([{"invoice_id": invoice["id"], "amount": eur("47.76")}]);
    let paid = with(payment(&company.customer_id, "47.76"), "allocations", allocations);
    api.post("/api/v1/billing/payments", paid).await.ok();
    let rest = api.post(&credit, json!({"reason": "all of it"})).await.ok();
    assert_eq!((&rest["applied"], &rest["unapplied"]), (&eur("0.00"), &eur("47.76")));
    api.post(&credit, json!({"reason": "more"})).await.problem(409, "nothing_to_credit");
    let page = format!("/api/v1/billing/credit-notes?invoice_id={}", text(&invoice["id"]));
    let page = api.get(&page).await.ok();
    assert_eq!(page["data"].as_array().expect("notes").len(), 2);
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let receivable = accounts["data"].as_array().expect("accounts").iter();
    let receivable = receivable.clone().find(|a| a["code"] == "1100").expect("the account");
    assert_eq!(receivable["balance"], eur("-47.76"));
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dated_in_a_closed_period_is_told_through_when() {
    let server = Server::start().await;
    let api = &server.api;
    let locks = "/api/v1/billing/period-locks";
    let lock = json!({"through": "2020-01-31", "kind": "soft", "reason": "January is done"});
    let closed = api.post(locks, lock.clone()).await.ok();
    let again = api.post(locks, lock).await.points_at(409, "period_already_closed", "/through");
    assert_eq!(again["params"]["closed_through"], "2020-01-31");
    let future = json!({"through": "9999-12-31", "kind": "hard", "reason": "no"});
    api.post(locks, future).await.points_at(422, "period_not_over", "/through");
    let late =
        with(payment(&Uuid::now_v7().to_string(), "1.00"), "received_on", json!("2020-01-31"));
    let refused = api.post("/api/v1/billing/payments", late).await;
    let refused = refused.points_at(422, "period_closed", "/received_on");
    assert_eq!(refused["params"], json!({"closed_through": "2020-01-31", "kind": "soft"}));
    let path = format!("{locks}/{}", text(&closed["id"]));
    assert_eq!(api.get(&path).await.ok(), closed);
    let reopen = format!("{path}/reopen");
    let reason = json!({"reason": "one came late"});
    let stale = with(closed.clone(), "version", json!(7));
    api.act_with(&reopen, &stale, reason.clone()).await.problem(412, "stale_version");
    let reopened = api.act_with(&reopen, &closed, reason).await.ok();
    assert_eq!(api.get(&path).await.ok(), reopened);
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_no_gap_however_many_issue_at_once() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let mut drafts = Vec::new();
    for _ in 0..8 {
        drafts.push(drafted(api, &company, "1").await);
    }
    // Each twice: one of the two finds it issued already.
    let issues = drafts.iter().chain(&drafts).map(|draft| {
        let (api, draft) = (api.clone(), draft.clone());
        tokio::spawn(async move { api.act(&format!("{}/issue", path_of(&draft)), &draft).await })
    });
    let issues: Vec<_> = issues.collect();
    let mut numbers = BTreeSet::new();
    let mut refused = 0;
    for issue in issues {
        let answer: Answer = issue.await.expect("no panic");
        if answer.status == 200 {
            numbers.insert(text(&answer.body["number"]));
        } else {
            answer.problem(412, "stale_version");
            refused += 1;
        }
    }
    assert_eq!((numbers.len(), refused), (8, 8));
    let last = numbers.last().expect("eight");
    assert!(last.ends_with("-000008"), "{last}");
    server.assert_invariants().await;
    server.stop().await;
}
