//! Credit of customers, applied and paid back.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::billing::payments::payment;
use crate::billing::{eur, issued, path_of};
use crate::flows::{Company, company};
use crate::harness::{Answer, Api, Server, text, with};

const REFUNDS: &str = "/api/v1/billing/refunds";

/// A credit note over an invoice of 23.88 that was paid.
async fn credited(api: &Api, company: &Company) -> Value {
    let invoice = issued(api, company, "1").await;
    let allocations = json!([{"invoice_id": invoice["id"], "amount": invoice["total"]}]);
    let body = with(payment(&company.customer_id, "23.88"), "allocations", allocations);
    api.post("/api/v1/billing/payments", body).await.ok();
    let why = json!({"reason": "it came back"});
    api.post(&format!("{}/credit-notes", path_of(&invoice)), why).await.ok()
}

fn allocations_of(note: &Value) -> String {
    format!("/api/v1/billing/credit-notes/{}/allocations", text(&note["id"]))
}

fn of(invoice: &Value, amount: &str) -> Value {
    json!({"allocations": [{"invoice_id": invoice["id"], "amount": eur(amount)}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_is_applied_and_the_rest_paid_back() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let note = credited(api, &company).await;
    let invoice = issued(api, &company, "2").await;
    let credits = format!("/api/v1/billing/credits?customer_id={}", company.customer_id);
    let listed = api.get(&credits).await.ok()["data"][0].clone();
    assert_eq!((&listed["credit_note_id"], &listed["left"]), (&note["id"], &eur("23.88")));

    let path = allocations_of(&note);
    let fine = of(&invoice, "1.001");
    api.post(&path, fine).await.points_at(422, "invalid_body", "/allocations/0/amount");
    let problem = api.post(&path, of(&invoice, "23.89")).await;
    let problem = problem.points_at(409, "credit_exhausted", "/allocations");
    assert_eq!(problem["params"]["left"], eur("23.88"));
    let nowhere = format!("/api/v1/billing/credit-notes/{}/allocations", Uuid::now_v7());
    api.post(&nowhere, of(&invoice, "1.00")).await.problem(404, "not_found");
    let first = api.post_with_key(&path, of(&invoice, "20.00"), "once").await;
    assert_eq!((first.status, &first.body["left"]), (200, &eur("3.88")));
    let again = api.post_with_key(&path, of(&invoice, "20.00"), "once").await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.body, first.body);
    api.post_with_key(&path, of(&invoice, "1.00"), "once")
        .await
        .problem(422, "idempotency_key_reused");
    let credit = format!("/api/v1/billing/credit-notes/{}/credit", text(&note["id"]));
    assert_eq!(api.get(&credit).await.ok(), first.body);
    assert_eq!(api.get(&path_of(&invoice)).await.ok()["applied"], eur("20.00"));

    let back = json!({
        "credit_note_id": note["id"], "amount": eur("3.88"), "method": "bank_transfer",
        "reason": "asked for it"
    });
    let more = with(back.clone(), "amount", eur("3.89"));
    api.post(REFUNDS, more).await.points_at(409, "credit_exhausted", "/amount");
    let unsaid = with(back.clone(), "reason", json!(" "));
    api.post(REFUNDS, unsaid).await.points_at(422, "invalid_body", "/reason");
    let both = with(back.clone(), "payment_id", json!(Uuid::now_v7()));
    api.post(REFUNDS, both).await.points_at(422, "wrong_source", "/payment_id");
    let unknown = with(back.clone(), "credit_note_id", json!(Uuid::now_v7()));
    api.post(REFUNDS, unknown).await.points_at(422, "unknown_credit", "/credit_note_id");
    let refund = api.post(REFUNDS, back.clone()).await.ok();
    assert_eq!(api.get(&format!("{REFUNDS}/{}", text(&refund["id"]))).await.ok(), refund);
    api.post(REFUNDS, back).await.problem(409, "credit_exhausted");
    assert_eq!(api.get(&credits).await.ok()["data"], json!([]));
    server.settle().await;
    let customer = format!("/api/v1/sales/customers/{}", company.customer_id);
    let owed = api.get(&path_of(&invoice)).await.ok()["open"].clone();
    assert_eq!(api.get(&customer).await.ok()["credit"]["open_receivables"], owed);
    server.assert_invariants().await;
    server.stop().await;
}

/// What an order says of the money it got, once everything is told.
async fn order_of(server: &Server, document: &Value) -> Value {
    server.settle().await;
    let path = format!("/api/v1/orders/orders/{}", text(&document["order_id"]));
    let order = server.api.get(&path).await.ok();
    json!([order["payment_status"], order["paid"]["amount"], order["refunded"]["amount"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_credit_is_paid_back_is_paid() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let note = credited(api, &company).await;
    assert_eq!(order_of(&server, &note).await, json!(["overpaid", "23.88", "0.00"]));
    let refund = async |amount: &str| {
        let back = json!({
            "credit_note_id": note["id"], "amount": eur(amount), "method": "bank_transfer",
            "reason": "asked for it"
        });
        api.post(REFUNDS, back).await.ok()
    };
    refund("20.00").await;
    assert_eq!(order_of(&server, &note).await, json!(["overpaid", "23.88", "20.00"]));
    refund("3.88").await;
    assert_eq!(order_of(&server, &note).await, json!(["paid", "23.88", "23.88"]));
    let listed = format!("/api/v1/orders/orders?customer_id={}", company.customer_id);
    let listed = api.get(&listed).await.ok()["data"][0].clone();
    assert_eq!((&listed["id"], &listed["refunded"]), (&note["order_id"], &eur("23.88")));
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_did_not_arrive_is_owed_to_the_customer_again() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let note = credited(api, &company).await;
    let back = json!({
        "credit_note_id": note["id"], "amount": eur("23.88"), "method": "bank_transfer",
        "reason": "asked for it"
    });
    let refund = api.post(REFUNDS, back.clone()).await.ok();
    let customer = format!("/api/v1/sales/customers/{}", company.customer_id);
    let owed = async || api.get(&customer).await.ok()["credit"]["open_receivables"].clone();
    assert_eq!(order_of(&server, &note).await, json!(["paid", "23.88", "23.88"]));
    assert_eq!(owed().await, eur("0.00"));

    let path = format!("{REFUNDS}/{}/reverse", text(&refund["id"]));
    let lost = json!({"reason": "the account was closed"});
    api.post(&path, json!({})).await.points_at(422, "invalid_body", "/reason");
    let early = with(lost.clone(), "reversed_on", json!("2020-01-01"));
    let problem = api.post(&path, early).await;
    let problem = problem.points_at(422, "reversed_before_refunded", "/reversed_on");
    assert_eq!(problem["params"]["refunded_on"], refund["refunded_on"]);
    let nowhere = format!("{REFUNDS}/{}/reverse", Uuid::now_v7());
    api.post(&nowhere, lost.clone()).await.problem(404, "not_found");
    let reversed = api.post_with_key(&path, lost.clone(), "once").await;
    assert_eq!((reversed.status, &reversed.body["allowed_actions"]), (200, &json!([])));
    let again = api.post_with_key(&path, lost.clone(), "once").await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.body, reversed.body);
    let problem = api.post(&path, lost).await.problem(409, "refund_reversed");
    assert_eq!(problem["params"]["reversed_on"], reversed.body["reversed_on"]);
    let seen = api.get(&format!("{REFUNDS}/{}", text(&refund["id"]))).await.ok();
    assert_eq!(seen, reversed.body);
    assert_eq!(order_of(&server, &note).await, json!(["overpaid", "23.88", "0.00"]));
    assert_eq!(owed().await, eur("-23.88"));
    let entries = "/api/v1/billing/journal-entries?source_type=refund_reversal";
    let entries = api.get(entries).await.ok();
    let lines = entries["data"][0]["lines"].as_array().expect("lines").clone();
    let lines: Vec<_> = lines.iter().map(|l| (&l["account"], &l["debit"], &l["credit"])).collect();
    let (none, all) = (eur("0.00"), eur("23.88"));
    let expected = [(&json!("1100"), &none, &all), (&json!("1000"), &all, &none)];
    assert_eq!(lines, expected);
    // It goes once more.
    api.post(REFUNDS, back).await.ok();
    assert_eq!(order_of(&server, &note).await, json!(["paid", "23.88", "23.88"]));
    assert_eq!(owed().await, eur("0.00"));
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_of_an_order_pays_another() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let note = credited(api, &company).await;
    let other = issued(api, &company, "1").await;
    api.post(&allocations_of(&note), of(&other, "20.00")).await.ok();
    assert_eq!(order_of(&server, &note).await, json!(["overpaid", "23.88", "20.00"]));
    assert_eq!(order_of(&server, &other).await, json!(["partial", "20.00", "0.00"]));
    api.post(&allocations_of(&note), of(&other, "3.88")).await.ok();
    assert_eq!(order_of(&server, &note).await, json!(["paid", "23.88", "23.88"]));
    assert_eq!(order_of(&server, &other).await, json!(["paid", "23.88", "0.00"]));
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_uses_of_a_credit_at_once_never_exceed_it() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let note = credited(api, &company).await;
    let invoice = issued(api, &company, "5").await;
    let uses = (0..12).map(|n| {
        let (api, note, invoice) = (api.clone(), note.clone(), invoice.clone());
        tokio::spawn(async move {
            if n % 2 == 0 {
                return api.post(&allocations_of(&note), of(&invoice, "5.00")).await;
            }
            let back = json!({
                "credit_note_id": note["id"], "amount": eur("5.00"), "method": "cash",
                "reason": "asked for it"
            });
            api.post(REFUNDS, back).await
        })
    });
    let uses: Vec<_> = uses.collect();
    let mut made = 0;
    for used in uses {
        let answer: Answer = used.await.expect("no panic");
        if answer.status == 200 || answer.status == 201 {
            made += 1;
        } else {
            answer.problem(409, "credit_exhausted");
        }
    }
    // 23.88 is four times five.
    assert_eq!(made, 4);
    let path = format!("/api/v1/billing/credit-notes/{}/credit", text(&note["id"]));
    assert_eq!(api.get(&path).await.ok()["left"], eur("3.88"));
    server.assert_invariants().await;
    server.stop().await;
}
