//! Profit and loss, and the balance sheet.

use serde_json::json;

use crate::billing::eur;
use crate::flows::{company, purchase_to_stock, quotation_to_cash};
use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_books_are_stated_by_kind_of_account() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    purchase_to_stock(api, &company).await.expect("the flow");
    quotation_to_cash(api, &company).await.expect("the flow");
    server.settle().await;
    let sheet = api.get("/api/v1/billing/balance-sheet").await.ok();
    assert_eq!(sheet["difference"], eur("0.00"));
    assert_eq!(sheet["assets"]["total"], sheet["liabilities_and_equity"]);
    assert_eq!(sheet["assets"]["accounts"][0]["code"], "1000");
    let profit = api.get("/api/v1/billing/profit-and-loss?from=2000-01-01").await.ok();
    assert_eq!((&profit["from"], &profit["to"]), (&json!("2000-01-01"), &sheet["as_of"]));
    assert_eq!(profit["result"], sheet["equity"]["total"]);
    assert_ne!(profit["income"]["total"], eur("0.00"));
    let before = api.get("/api/v1/billing/balance-sheet?as_of=2000-01-01").await.ok();
    assert_eq!(before["assets"]["total"], eur("0.00"));

    let profit = "/api/v1/billing/profit-and-loss";
    assert_eq!(api.get(profit).await.ok()["to"], sheet["as_of"]);
    api.get(&format!("{profit}?from=2026-02-30")).await.points_at(400, "invalid_query", "?from");
    let backwards = format!("{profit}?from=2026-02-02&to=2026-02-01");
    api.get(&backwards).await.points_at(400, "invalid_query", "?to");
    let ancient = "/api/v1/billing/balance-sheet?as_of=1066-10-14";
    api.get(ancient).await.points_at(400, "invalid_query", "?as_of");
    server.stop().await;
}
