//! Tax rates and totals.

use serde_json::json;
use uuid::Uuid;

use crate::billing::eur;
use crate::harness::{Api, Server, text, with};

/// A tax class of this rate.
async fn tax_class(api: &Api, rate: &str) -> String {
    let code = format!("t-{}", &Uuid::now_v7().simple().to_string()[20..]);
    let body = json!({"code": code, "name": "A rate", "rate": rate});
    text(&api.post("/api/v1/billing/tax-rates", body).await.ok()["code"])
}

#[tokio::test(flavor = "multi_thread")]
async fn tax_rates_begin_with_three_and_can_be_added_and_changed() {
    let server = Server::start().await;
    let api = &server.api;
    let path = "/api/v1/billing/tax-rates";
    let page = api.get(&format!("{path}?sort=created_at")).await.ok();
    let seeded: Vec<_> = page["data"]
        .as_array()
        .expect("rates")
        .iter()
        .map(|rate| (text(&rate["code"]), text(&rate["rate"])))
        .collect();
    let expected = [("standard", "20"), ("reduced", "10"), ("zero", "0")];
    assert_eq!(seeded, expected.map(|(code, rate)| (code.to_owned(), rate.to_owned())));

    let body = json!({"code": "books", "name": "Books", "rate": "5.5"});
    let created = api.post(path, body.clone()).await.ok();
    assert_eq!((&created["rate"], &created["version"]), (&json!("5.5"), &json!(1)));
    api.post(path, body.clone()).await.points_at(409, "tax_code_taken", "/code");
    for (field, value) in [
        ("rate", json!("100.0001")),
        ("rate", json!(5)),
        ("code", json!("")),
        ("name", json!(" ")),
        ("rate", json!("-1")),
    ] {
        let answer = api.post(path, with(body.clone(), field, value)).await;
        answer.points_at(422, "invalid_body", &format!("/{field}"));
    }
    let one = format!("{path}/{}", text(&created["id"]));
    let changed = api.patch(&one, &created, json!({"rate": "7", "name": "Print"})).await.ok();
    assert_eq!((&changed["rate"], &changed["name"]), (&json!("7"), &json!("Print")));
    let stale = api.patch(&one, &created, json!({"rate": "8"})).await.problem(412, "stale_version");
    assert_eq!(stale["params"]["current_version"], 2);
    assert_eq!(api.get(&one).await.ok(), changed);
    let found = api.get(&format!("{path}?code=books")).await.ok();
    assert_eq!(found["data"], json!([changed]));
    server.assert_invariants().await;
    server.stop().await;
}

/// Net, tax and total of lines (quantity, price, discount) at a rate.
async fn check_totals(
    api: &Api,
    (rate, mode, include): (&str, &str, bool),
    lines: &[(&str, &str, &str)],
    (net, tax, total): (&str, &str, &str),
) {
    let class = tax_class(api, rate).await;
    let lines: Vec<_> = lines
        .iter()
        .map(|(quantity, price, discount)| {
            json!({
                "quantity": quantity, "unit_price": price, "discount": discount,
                "tax_class": class
            })
        })
        .collect();
    let body = json!({
        "prices_include_tax": include, "rounding_mode": mode, "lines": lines, "currency": "EUR"
    });
    let totals = api.post("/api/v1/billing/totals", body).await.ok();
    let found = (&totals["net"], &totals["tax"], &totals["total"]);
    assert_eq!(found, (&eur(net), &eur(tax), &eur(total)), "{mode} {totals:#}");
    assert_eq!(totals["rounding_mode"], mode);
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_hold_the_golden_vectors() {
    let server = Server::start().await;
    let api = &server.api;
    let (doc, line) = ("per_document", "per_line");
    let one = [("16", "348.35", "4")];
    check_totals(api, ("22", doc, false), &one, ("5350.66", "1177.14", "6527.80")).await;
    check_totals(api, ("22", line, false), &one, ("5350.66", "1177.15", "6527.81")).await;
    let ten = [("10", "3.60", "0")];
    check_totals(api, ("5.5", doc, false), &[("1", "3.60", "0")], ("3.60", "0.20", "3.80")).await;
    check_totals(api, ("5.5", line, false), &ten, ("36.00", "1.98", "37.98")).await;
    let lines = [("1", "3.60", "0"); 10];
    check_totals(api, ("5.5", line, false), &lines, ("36.00", "2.00", "38.00")).await;
    let gross = [("1", "11.90", "0"), ("1", "2.80", "0")];
    check_totals(api, ("21", doc, true), &gross, ("12.15", "2.55", "14.70")).await;
    check_totals(api, ("21", line, true), &gross, ("12.14", "2.56", "14.70")).await;
    let two = [("1", "46.07", "20"), ("1", "9.21", "0")];
    check_totals(api, ("8.5", doc, false), &two, ("46.07", "3.92", "49.99")).await;
    check_totals(api, ("8.5", line, false), &two, ("46.07", "3.91", "49.98")).await;
    let two = [("1", "55.55", "0"), ("1", "11.11", "0")];
    check_totals(api, ("23", doc, false), &two, ("66.66", "15.33", "81.99")).await;
    check_totals(api, ("23", line, false), &two, ("66.66", "15.34", "82.00")).await;
    let two = [("10", "30.75", "5"), ("1", "70", "5")];
    check_totals(api, ("15", doc, false), &two, ("358.63", "53.79", "412.42")).await;
    check_totals(api, ("15", line, false), &two, ("358.63", "53.80", "412.43")).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_refuse_what_no_document_can_hold() {
    let server = Server::start().await;
    let api = &server.api;
    let path = "/api/v1/billing/totals";
    let line = json!({"quantity": "1", "unit_price": "1.00", "tax_class": "standard"});
    let body = json!({"lines": [line]});
    let totals = api.post(path, body.clone()).await.ok();
    assert_eq!(
        (&totals["total"], &totals["rounding_mode"]),
        (&eur("1.20"), &json!("per_document"))
    );
    let unknown = json!([line, with(line.clone(), "tax_class", json!("luxury"))]);
    api.post(path, with(body.clone(), "lines", unknown)).await.points_at(
        422,
        "unknown_tax_class",
        "/lines/1/tax_class",
    );
    api.post(path, with(body.clone(), "currency", json!("USD"))).await.points_at(
        422,
        "currency_not_supported",
        "/currency",
    );
    api.post(path, with(body.clone(), "currency", json!("XAU"))).await.points_at(
        422,
        "invalid_body",
        "/currency",
    );
    api.post(path, with(body.clone(), "lines", json!([])))
        .await
        .points_at(422, "no_lines", "/lines");
    api.post(path, with(body.clone(), "lines", json!(vec![line.clone(); 5001]))).await.points_at(
        422,
        "too_many_lines",
        "/lines",
    );
    let huge = with(
        with(line.clone(), "quantity", json!("999999999")),
        "unit_price",
        json!("999999999.999999"),
    );
    for include in [false, true] {
        let body = json!({"lines": vec![huge.clone(); 1000], "prices_include_tax": include});
        api.post(path, body).await.points_at(422, "amount_overflow", "/lines");
    }
    for (field, value) in [
        ("quantity", json!("1.0000001")),
        ("quantity", json!(1)),
        ("unit_price", json!("-1")),
        ("unit_price", json!("1e3")),
        ("discount", json!("101")),
    ] {
        let lines = json!([with(line.clone(), field, value)]);
        api.post(path, with(body.clone(), "lines", lines)).await.points_at(
            422,
            "invalid_body",
            &format!("/lines/0/{field}"),
        );
    }
    server.stop().await;
}
