//! What the books say.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::billing::payments::payment;
use crate::billing::{drafted, eur};
use crate::flows::{company, purchase_to_stock, quotation_to_cash};
use crate::harness::{Server, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn the_books_tell_what_was_paid() {
    let server = Server::start().await;
    let api = &server.api;
    let customer = Uuid::now_v7().to_string();
    let body = with(payment(&customer, "12.34"), "received_on", json!("2020-02-29"));
    let paid = api.post("/api/v1/billing/payments", body).await.ok();
    let balance = async |query: &str| {
        let balance = api.get(&format!("/api/v1/billing/trial-balance{query}")).await.ok();
        assert_eq!(balance["difference"], eur("0.00"));
        let accounts = balance["accounts"].as_array().expect("accounts").clone();
        let bank = accounts.iter().find(|account| account["code"] == "1000").expect("the bank");
        (balance["as_of"].clone(), bank["balance"].clone(), balance["total_debit"].clone())
    };
    let before = balance("?as_of=2020-02-28").await;
    assert_eq!(before, (json!("2020-02-28"), eur("0.00"), eur("0.00")));
    let after = balance("?as_of=2020-02-29").await;
    assert_eq!(after, (json!("2020-02-29"), eur("12.34"), eur("12.34")));
    assert_eq!(balance("").await.1, eur("12.34"));
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let codes: Vec<_> =
        accounts["data"].as_array().expect("accounts").iter().map(|a| text(&a["code"])).collect();
    assert!(codes.is_sorted() && codes.len() >= 12, "{codes:?}");
    let entries = "/api/v1/billing/journal-entries";
    let found = api.get(&format!("{entries}?account=1000&source_type=payment")).await.ok();
    let entry = found["data"][0].clone();
    assert_eq!((&entry["source_id"], &entry["number"]), (&paid["id"], &json!("JE-2020-000001")));
    let sides: Vec<_> = entry["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| (text(&line["account"]), line["debit"].clone(), line["credit"].clone()))
        .collect();
    let expected = [("1000", "12.34", "0.00"), ("1100", "0.00", "12.34")];
    let expected = expected.map(|(code, d, c)| (code.to_owned(), eur(d), eur(c)));
    assert_eq!(sides, expected);
    assert_eq!(api.get(&format!("{entries}/{}", text(&entry["id"]))).await.ok(), entry);
    assert_eq!(api.get(&format!("{entries}?to=2020-02-28")).await.ok()["data"], json!([]));
    api.get(&format!("{entries}?from=yesterday")).await.points_at(400, "invalid_query", "?from");
    api.get(&format!("{entries}?to=-0001-01-01")).await.points_at(400, "invalid_query", "?to");
    let far = "/api/v1/billing/trial-balance?as_of=%2B12026-01-01";
    api.get(far).await.points_at(400, "invalid_query", "?as_of");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ageing_tells_who_owes_what_for_how_long() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let draft = drafted(api, &company, "1").await;
    let path = format!("/api/v1/billing/invoices/{}/issue", text(&draft["id"]));
    let invoice = api.act(&path, &draft).await.ok();
    let ageing = "/api/v1/billing/receivables-ageing";
    let report = api.get(ageing).await.ok();
    assert_eq!(report["totals"]["buckets"][0], json!({"up_to": 0, "amount": invoice["open"]}));
    assert_eq!(report["data"][0]["customer_id"], invoice["customer_id"]);
    assert_eq!(report["data"][0]["customer_name"], invoice["customer"]["name"]);

    // 365 days on all of it is overdue.
    let due_on: chrono::NaiveDate = text(&invoice["due_on"]).parse().expect("a day");
    let later = due_on + chrono::Days::new(365);
    let report = api.get(&format!("{ageing}?as_of={later}&buckets=364,365")).await.ok();
    let overdue = json!({"over": 364, "up_to": 365, "amount": invoice["open"]});
    assert_eq!(report["totals"]["buckets"][2], overdue);
    assert_eq!(report["totals"]["balance"], invoice["open"]);
    let yesterday = due_on - chrono::Days::new(400);
    let report = api.get(&format!("{ageing}?as_of={yesterday}")).await.ok();
    assert_eq!((&report["data"], &report["totals"]["balance"]), (&json!([]), &eur("0.00")));

    let payables = "/api/v1/billing/payables-ageing";
    assert_eq!(api.get(payables).await.ok()["totals"]["balance"], eur("0.00"));
    for path in [ageing, payables] {
        for buckets in ["", "30,30", "0", "30;60", "9999"] {
            let answer = api.get(&format!("{path}?buckets={buckets}")).await;
            answer.points_at(400, "invalid_query", "?buckets");
        }
        let answer = api.get(&format!("{path}?as_of=1066-10-14")).await;
        answer.points_at(400, "invalid_query", "?as_of");
        let answer = api.get(&format!("{path}?cursor=AAAA")).await;
        answer.points_at(400, "invalid_cursor", "?cursor");
    }
    server.assert_invariants().await;
    server.stop().await;
}

/// The journal of everything a company does ties to its stock: what inventory says its goods
/// are worth is the balance of the inventory account.
#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_account_is_the_value_of_the_stock() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    quotation_to_cash(api, &company).await.expect("the flow");
    purchase_to_stock(api, &company).await.expect("the flow");
    quotation_to_cash(api, &company).await.expect("the flow");
    server.settle().await;
    let stock = api.get("/api/v1/inventory/stock?limit=200").await.ok();
    let cents = |amount: &Value| -> i64 {
        text(&amount["amount"]).replace('.', "").parse().expect("an amount")
    };
    let value: i64 =
        stock["data"].as_array().expect("stock").iter().map(|row| cents(&row["value"])).sum();
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let accounts = accounts["data"].as_array().expect("accounts").clone();
    let inventory = accounts.iter().find(|a| a["code"] == "1200").expect("the account");
    assert_eq!(cents(&inventory["balance"]), value);
    assert!(value > 0);
    server.assert_invariants().await;
    server.stop().await;
}
