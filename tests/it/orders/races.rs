//! Several at once.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::{confirm, confirmed, credit, draft, pack, path, reload, ship, stock};
use crate::flows::company;
use crate::harness::{Answer, Server};
use crate::topology::TOPOLOGIES;

const AT_ONCE: usize = 8;

/// How many succeeded; every other one was refused with one of these codes.
fn count(answers: Vec<Answer>, refusals: &[&str]) -> usize {
    let (done, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status < 300);
    for answer in refused {
        let code = answer.body["code"].as_str().expect("a code");
        assert!(refusals.contains(&code), "{} {:#}", answer.status, answer.body);
    }
    done.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_confirmations_one_stands_in_every_topology() {
    for topology in TOPOLOGIES {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let company = company(api).await;
        let order = Arc::new(draft(api, &company, &["5"]).await);
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (api, order) = (api.clone(), order.clone());
            calls.spawn(async move { confirm(&api, &order).await });
        }
        let stood = count(calls.join_all().await, &["stale_version", "illegal_transition"]);
        assert_eq!(stood, 1, "{topology:?}");
        server.assert_invariants().await;
        assert_eq!(reload(api, &order).await["status"], "confirmed");
        assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "5", "995"]);
        assert_eq!(credit(api, &company).await["exposure"]["amount"], "119.40");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_for_the_same_stock_never_get_more_than_there_is() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let mut calls = JoinSet::new();
    for _ in 0..AT_ONCE {
        let order = draft(api, &company, &["300"]).await;
        let api = api.clone();
        calls.spawn(async move { confirm(&api, &order).await });
    }
    assert_eq!(count(calls.join_all().await, &["insufficient_stock"]), 3);
    server.assert_invariants().await;
    assert_eq!(stock(api, &company.product_ids[0]).await, ["1000", "900", "100"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_are_packed_and_shipped_once() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = Arc::new(confirmed(api, &company, &["5"]).await);
    let mut calls = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (api, order) = (api.clone(), order.clone());
        calls.spawn(async move { pack(&api, &order, json!({})).await });
    }
    assert_eq!(count(calls.join_all().await, &["nothing_to_ship"]), 1);
    let page = api.get(&format!("{}/shipments", path(&order))).await.ok();
    let shipment = Arc::new(page["data"][0].clone());
    let mut calls = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (api, shipment) = (api.clone(), shipment.clone());
        calls.spawn(async move { ship(&api, &shipment).await });
    }
    assert_eq!(count(calls.join_all().await, &["stale_version"]), 1);
    server.assert_invariants().await;
    assert_eq!(stock(api, &company.product_ids[0]).await, ["995", "0", "995"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confirming_and_cancelling_at_once_leaves_an_order_that_is_one_or_the_other() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    for _ in 0..AT_ONCE {
        let order = Arc::new(draft(api, &company, &["1"]).await);
        let cancel = format!("{}/cancel", path(&order));
        let (confirmed, cancelled) = tokio::join!(confirm(api, &order), api.act(&cancel, &order));
        let done = count(vec![confirmed, cancelled], &["stale_version", "illegal_transition"]);
        assert_eq!(done, 1);
    }
    server.assert_invariants().await;
    let page = api.get("/api/v1/orders/orders?status=confirmed").await.ok();
    let standing = page["data"].as_array().map_or(0, Vec::len);
    assert_eq!(stock(api, &company.product_ids[0]).await[1], standing.to_string());
    server.stop().await;
}
