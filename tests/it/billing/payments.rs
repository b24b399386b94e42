//! Payments, and what they settle.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::billing::{eur, issued, path_of};
use crate::flows::company;
use crate::harness::{Answer, Server, text, with};

pub fn payment(customer_id: &str, amount: &str) -> Value {
    json!({
        "direction": "incoming", "customer_id": customer_id, "amount": eur(amount),
        "method": "bank_transfer"
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_repeated_under_its_key_is_made_once() {
    let server = Server::start().await;
    let api = &server.api;
    let (path, customer) = ("/api/v1/billing/payments", Uuid::now_v7().to_string());
    let body = payment(&customer, "12.34");
    let first = api.post_with_key(path, body.clone(), "a-key").await;
    assert_eq!(first.status, 201);
    let location = first.headers["location"].to_str().expect("ASCII").to_owned();
    let again = api.post_with_key(path, body.clone(), "a-key").await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.body, first.body);
    api.post_with_key(path, payment(&customer, "12.35"), "a-key")
        .await
        .problem(422, "idempotency_key_reused");
    assert_eq!(api.get(&location).await.ok(), first.body);
    let page = api.get(&format!("{path}?customer_id={customer}")).await.ok();
    assert_eq!(page["data"].as_array().expect("payments").len(), 1);
    assert_eq!(page["data"][0].get("allocations"), None);

    let keyed = with(body, "external_key", json!("psp_81723"));
    let found = api.post(path, keyed.clone()).await.ok();
    api.post(path, keyed).await.points_at(409, "external_key_taken", "/external_key");
    let page = api.get(&format!("{path}?external_key=psp_81723")).await.ok();
    assert_eq!(page["data"][0]["id"], found["id"]);
    let strange = with(payment(&customer, "1.00"), "method", json!("barter"));
    api.post(path, strange).await.points_at(422, "invalid_body", "/method");
    let fine = with(payment(&customer, "1.00"), "amount", eur("1.001"));
    api.post(path, fine).await.points_at(422, "invalid_body", "/amount");
    let nothing = payment(&customer, "0.00");
    api.post(path, nothing).await.points_at(422, "amount_not_positive", "/amount");
    let tomorrow = with(payment(&customer, "1.00"), "received_on", json!("9999-12-31"));
    api.post(path, tomorrow).await.points_at(422, "date_in_future", "/received_on");
    let nobody = json!({"direction": "incoming", "amount": eur("1.00"), "method": "cash"});
    api.post(path, nobody).await.points_at(422, "wrong_party", "/customer_id");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_allocated_later_and_never_beyond_what_is_open() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let invoice = issued(api, &company, "1").await;
    let paid =
        api.post("/api/v1/billing/payments", payment(&company.customer_id, "30.00")).await.ok();
    let path = format!("/api/v1/billing/payments/{}/allocations", text(&paid["id"]));
    let of = |amount: &str| json!({"allocations": [{"invoice_id": invoice["id"], "amount": eur(amount)}]});
    let problem = api.act_with(&path, &paid, of("23.89")).await.points_at(
        409,
        "over_allocated",
        "/allocations/0/amount",
    );
    assert_eq!(problem["params"]["open"], eur("23.88"));
    let problem = api.act_with(&path, &paid, of("30.01")).await.problem(409, "payment_exhausted");
    assert_eq!(problem["params"]["unapplied"], eur("30.00"));
    let after = api.act_with(&path, &paid, of("20.00")).await.ok();
    assert_eq!((&after["unapplied"], &after["version"]), (&eur("10.00"), &json!(2)));
    api.act_with(&path, &paid, of("1.00")).await.problem(412, "stale_version");
    let after = api.act_with(&path, &after, of("3.88")).await.ok();
    assert_eq!(after["allocations"].as_array().expect("allocations").len(), 2);
    assert_eq!(api.get(&path_of(&invoice)).await.ok()["status"], "settled");
    server.settle().await;
    let order = format!("/api/v1/orders/orders/{}", text(&invoice["order_id"]));
    assert_eq!(api.get(&order).await.ok()["payment_status"], "paid");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_payments_at_once_settle_an_invoice_exactly() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    // 5 × 19.90 and 20 %: 119.40, which takes eleven payments of 10.00 and no more.
    let invoice = issued(api, &company, "5").await;
    let allocations = json!([{"invoice_id": invoice["id"], "amount": eur("10.00")}]);
    let body = with(payment(&company.customer_id, "10.00"), "allocations", allocations);
    let payments = (0..20).map(|_| {
        let (api, body) = (api.clone(), body.clone());
        tokio::spawn(async move { api.post("/api/v1/billing/payments", body).await })
    });
    let payments: Vec<_> = payments.collect();
    let mut made = 0;
    for payment in payments {
        let answer: Answer = payment.await.expect("no panic");
        if answer.status == 201 {
            made += 1;
        } else {
            answer.problem(409, "over_allocated");
        }
    }
    assert_eq!(made, 11);
    assert_eq!(api.get(&path_of(&invoice)).await.ok()["open"], eur("9.40"));
    server.assert_invariants().await;
    server.stop().await;
}
