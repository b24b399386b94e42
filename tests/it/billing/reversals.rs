//! Payments that are taken back.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::billing::payments::payment;
use crate::billing::{eur, issued, path_of};
use crate::flows::company;
use crate::harness::{Answer, Api, Server, etag, text, with};

const PAYMENTS: &str = "/api/v1/billing/payments";

fn bounced() -> Value {
    json!({"reason": "the cheque bounced"})
}

/// A payment of `amount` that settles the whole invoice with it.
async fn paid(api: &Api, invoice: &Value, amount: &str) -> Value {
    let allocations = json!([{"invoice_id": invoice["id"], "amount": invoice["total"]}]);
    let body = payment(&text(&invoice["customer_id"]), amount);
    api.post(PAYMENTS, with(body, "allocations", allocations)).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_bounced_is_owed_again_everywhere() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let invoice = issued(api, &company, "1").await;
    let paid = paid(api, &invoice, "30.00").await;
    server.settle().await;
    let order = format!("/api/v1/orders/orders/{}", text(&invoice["order_id"]));
    let customer = format!("/api/v1/sales/customers/{}", company.customer_id);
    assert_eq!(api.get(&order).await.ok()["payment_status"], "paid");
    assert_eq!(api.get(&customer).await.ok()["credit"]["open_receivables"], eur("-6.12"));

    let path = format!("{PAYMENTS}/{}/reverse", text(&paid["id"]));
    for body in [json!({}), json!({"reason": null})] {
        api.act_with(&path, &paid, body).await.points_at(422, "invalid_body", "/reason");
    }
    let empty = json!({"reason": "  "});
    api.act_with(&path, &paid, empty).await.points_at(422, "invalid_body", "/reason");
    let body = with(bounced(), "reversed_on", json!("9999-12-31"));
    api.act_with(&path, &paid, body).await.points_at(422, "date_in_future", "/reversed_on");
    let body = with(bounced(), "reversed_on", json!("2020-01-01"));
    api.act_with(&path, &paid, body).await.points_at(
        422,
        "reversed_before_received",
        "/reversed_on",
    );
    let nowhere = format!("{PAYMENTS}/{}/reverse", Uuid::now_v7());
    api.act_with(&nowhere, &paid, bounced()).await.problem(404, "not_found");
    let stale = with(paid.clone(), "version", json!(7));
    api.act_with(&path, &stale, bounced()).await.problem(412, "stale_version");
    api.post(&path, bounced()).await.problem(428, "if_match_required");
    let keyed = async |body: Value| -> Answer {
        let request = api.request(Method::POST, &path).header("Idempotency-Key", "once");
        api.send(request.header("If-Match", etag(&paid)).json(&body)).await
    };
    let reversed = keyed(bounced()).await;
    assert_eq!((reversed.status, &reversed.body["unapplied"]), (200, &eur("0.00")));
    let again = keyed(bounced()).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.body, reversed.body);
    keyed(json!({"reason": "another"})).await.problem(422, "idempotency_key_reused");
    let problem = api.act_with(&path, &reversed.body, bounced()).await;
    let problem = problem.problem(409, "payment_reversed");
    assert_eq!(problem["params"]["reversed_on"], reversed.body["reversed_on"]);

    let seen = api.get(&path_of(&invoice)).await.ok();
    assert_eq!((&seen["status"], &seen["open"]), (&json!("issued"), &invoice["total"]));
    server.settle().await;
    assert_eq!(api.get(&order).await.ok()["payment_status"], "unpaid");
    assert_eq!(api.get(&customer).await.ok()["credit"]["open_receivables"], invoice["total"]);
    let entries = "/api/v1/billing/journal-entries?source_type=payment_reversal";
    let entries = api.get(entries).await.ok();
    let lines = entries["data"][0]["lines"].as_array().expect("lines").clone();
    let lines: Vec<_> = lines.iter().map(|l| (&l["account"], &l["debit"], &l["credit"])).collect();
    let (none, all) = (eur("0.00"), eur("30.00"));
    let expected = [(&json!("1000"), &none, &all), (&json!("1100"), &all, &none)];
    assert_eq!(lines, expected);
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allocation_is_taken_back_and_made_again() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let wrong = issued(api, &company, "1").await;
    let right = issued(api, &company, "1").await;
    let paid = paid(api, &wrong, "23.88").await;
    let path = format!("{PAYMENTS}/{}/allocations", text(&paid["id"]));
    let back = |allocation: &Value| format!("{path}/{}/reverse", text(&allocation["id"]));
    let why = json!({"reason": "for the other invoice"});
    let place = &paid["allocations"][0];
    let nowhere = format!("{path}/{}/reverse", Uuid::now_v7());
    api.act_with(&nowhere, &paid, why.clone()).await.problem(404, "not_found");
    let stale = with(paid.clone(), "version", json!(7));
    api.act_with(&back(place), &stale, why.clone()).await.problem(412, "stale_version");
    let empty = json!({"reason": ""});
    api.act_with(&back(place), &paid, empty).await.points_at(422, "invalid_body", "/reason");
    let after = api.act_with(&back(place), &paid, why.clone()).await.ok();
    assert_eq!(after["unapplied"], eur("23.88"));
    api.act_with(&back(place), &after, why).await.problem(409, "allocation_reversed");
    let body = json!({"allocations": [{"invoice_id": right["id"], "amount": right["total"]}]});
    api.act_with(&path, &after, body).await.ok();
    let status = async |invoice: &Value| api.get(&path_of(invoice)).await.ok()["status"].clone();
    assert_eq!((status(&wrong).await, status(&right).await), (json!("issued"), json!("settled")));
    server.settle().await;
    for (invoice, status) in [(&wrong, "unpaid"), (&right, "paid")] {
        let order = format!("/api/v1/orders/orders/{}", text(&invoice["order_id"]));
        assert_eq!(api.get(&order).await.ok()["payment_status"], status);
    }
    server.assert_invariants().await;
    server.stop().await;
}

/// Whoever comes first, the invoice is open for what nothing settles.
#[tokio::test(flavor = "multi_thread")]
async fn many_reverse_and_apply_at_once_and_the_sums_hold() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let invoice = issued(api, &company, "1").await;
    let payment = paid(api, &invoice, "23.88").await;
    let path = format!("{PAYMENTS}/{}", text(&payment["id"]));
    let allocation = text(&payment["allocations"][0]["id"]);
    let attempts = (0..10).map(|n| {
        let (api, payment, path) = (api.clone(), payment.clone(), path.clone());
        let path = match n % 2 {
            0 => format!("{path}/reverse"),
            _ => format!("{path}/allocations/{allocation}/reverse"),
        };
        tokio::spawn(async move { api.act_with(&path, &payment, bounced()).await })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut done = 0;
    for attempt in attempts {
        let answer: Answer = attempt.await.expect("no panic");
        if answer.status == 200 {
            done += 1;
        } else {
            answer.problem(412, "stale_version");
        }
    }
    assert_eq!(done, 1);
    assert_eq!(api.get(&path_of(&invoice)).await.ok()["open"], invoice["total"]);
    server.assert_invariants().await;
    server.stop().await;
}
