//! The audit log: whoever looks finds who did what, and that nobody touched it.

use serde_json::{Value, json};

use super::{PASSWORD, alter, caller, role, sign_in, user};
use crate::cli::{Dir, erp};
use crate::harness::{ADMIN_PASSWORD, Server, text};

#[actix_web::test]
async fn every_change_of_every_module_is_found_by_who_what_and_when() {
    let server = Server::start().await;
    let api = &server.api;
    let before = chrono::Utc::now();
    let product =
        json!({ "sku": "P-1", "name": "A product", "unit": "pcs", "tax_class": "standard" });
    let request = api
        .request(reqwest::Method::POST, "/api/v1/inventory/products")
        .header("X-Request-Id", "request-0001")
        .header("X-Reason", "spring catalogue")
        .json(&product);
    let product = api.send(request).await.ok();
    let log = "/api/v1/inventory/audit-log";
    let only = async |filter: String| {
        let page = api.get(&format!("{log}?{filter}")).await.ok();
        page["data"].as_array().expect("a list").clone()
    };
    let rows = only(format!("resource_id={}", text(&product["id"]))).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (&row["operation"], &row["resource_type"]),
        (&json!("create_product"), &json!("product"))
    );
    assert_eq!(
        (&row["actor"]["name"], &row["reason"]),
        (&json!("admin"), &json!("spring catalogue"))
    );
    assert_eq!((&row["after"]["sku"], row.get("before")), (&json!("P-1"), None));
    let me = text(&api.get("/api/v1/auth/me").await.ok()["id"]);
    let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    for filter in [
        format!("actor_id={me}"),
        "request_id=request-0001".to_owned(),
        "operation=create_product&resource_type=product".to_owned(),
        format!("from={}", time(before)),
    ] {
        assert_eq!(only(filter.clone()).await, rows, "{filter}");
    }
    assert!(only(format!("to={}&resource_type=product", time(before))).await.is_empty());
    api.get(&format!("{log}?resource_id=x")).await.problem(400, "invalid_query");
    api.get(&format!("{log}?operation=%00")).await.problem(400, "invalid_query");

    let reader = role(api, "reader", json!(["sales.audit_log:read"])).await;
    user(api, "ada", &[&reader]).await;
    let ada = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    ada.get("/api/v1/sales/audit-log").await.ok();
    ada.get(log).await.problem(403, "permission_denied");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_is_found() {
    let server = Server::start().await;
    let api = &server.api;
    for n in 0..30 {
        user(api, &format!("user-{n}"), &[]).await;
    }
    let verify = async || api.get("/api/v1/auth/audit-log/verify").await.ok();
    let whole = verify().await;
    assert_eq!((&whole["is_whole"], &whole["broken"]), (&json!(true), &json!([])));
    assert!(whole["rows"].as_i64() > Some(30), "{whole}");
    let heads = whole["heads"].as_array().expect("a list");
    let links: i64 = heads.iter().filter_map(|head| head["seq"].as_i64()).sum();
    assert_eq!(json!(links), whole["rows"]);
    for module in erp::gateway::MODULES {
        let verdict = api.get(&format!("/api/v1/{module}/audit-log/verify")).await.ok();
        assert_eq!(verdict["is_whole"], true, "{module}: {verdict}");
    }
    let page = api.get("/api/v1/auth/audit-log?limit=20&operation=create_user").await.ok();
    let victim = page["data"][7]["id"].as_i64().expect("a number");
    let command = |args: &[&str]| {
        let url = api.base.clone();
        let mut all = vec!["audit", "--url", &url, "--password", ADMIN_PASSWORD];
        all.extend(args);
        erp(&Dir::new(), &all, &[])
    };
    let output = command(&["verify"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Whoever can do this owns the database.
    let flip = format!(
        "UPDATE audit_log SET after = REPLACE(after, 'user-', 'uses-') WHERE id = {victim}"
    );
    alter(
        &server,
        "auth",
        &[
            (
                "DROP TRIGGER audit_log_no_update",
                "ALTER TABLE audit_log DISABLE TRIGGER audit_log_no_update",
            ),
            (&flip, &flip),
        ],
    )
    .await;
    let found = verify().await;
    assert_eq!(found["is_whole"], false);
    assert_eq!(
        (&found["broken"][0]["id"], &found["broken"][0]["what"]),
        (&json!(victim), &json!("hash"))
    );
    assert_eq!(found["broken"].as_array().map(Vec::len), Some(1));
    let output = command(&["verify", "auth"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains(&victim.to_string()), "{said}");

    // To recompute the row's own hash does not help: the next one has the old.
    let rehash = format!("UPDATE audit_log SET hash = '{}' WHERE id = {victim}", "0".repeat(64));
    alter(&server, "auth", &[(&rehash, &rehash)]).await;
    let found = verify().await;
    let what: Vec<&Value> =
        found["broken"].as_array().expect("a list").iter().map(|row| &row["what"]).collect();
    assert!(what.contains(&&json!("link")) || what.len() == 1, "{found}");
    server.stop().await;
}

#[actix_web::test]
async fn a_place_to_go_on_from_is_one_it_gave() {
    let server = Server::start().await;
    let api = &server.api;
    let whole = api.get("/api/v1/auth/audit-log/verify").await.ok();
    let head = &whole["heads"][0];
    let after = format!("{}:{}", head["chain"], 1);
    let rest = api.get(&format!("/api/v1/auth/audit-log/verify?after={after}")).await.ok();
    assert_eq!(rest["is_whole"], true, "{rest}");
    assert_eq!(rest["rows"].as_i64(), whole["rows"].as_i64().map(|rows| rows - 1));
    for bad in ["x", "1", "1:x", "-1:0", "0:99999999999999999999"] {
        let answer = api.get(&format!("/api/v1/auth/audit-log/verify?after={bad}")).await;
        answer.points_at(400, "invalid_query", "?after");
    }
}
