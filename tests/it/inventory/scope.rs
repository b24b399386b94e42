//! Whoever may do something in some warehouses sees and changes nothing of the others.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ADJUSTMENTS, MOVES, PRODUCTS, RECEIPTS, RESERVATIONS, STOCK, WAREHOUSES, adjustment, product,
    receipt, reservation, warehouse,
};
use crate::harness::{Api, Server, text, with};
use crate::spec::operations;
use crate::topology::Topology;

const COUNTS: &str = "/api/v1/inventory/stock-counts";
const LOCATIONS: &str = "/api/v1/inventory/locations";
const PUT_AWAY: &str = "/api/v1/inventory/put-away-rules";
const REORDER: &str = "/api/v1/inventory/reorder-rules";
const TRANSFERS: &str = "/api/v1/inventory/transfers";
const ROLES: &str = "/api/v1/auth/roles";
const PASSWORD: &str = "a long enough password";

/// Somebody with a role that counts in these warehouses.
pub(super) async fn clerk(
    api: &Api,
    name: &str,
    permissions: Value,
    warehouses: &[&Value],
) -> (Value, Api) {
    let ids: Vec<_> = warehouses.iter().map(|warehouse| &warehouse["id"]).collect();
    let role = json!({ "name": name, "permissions": permissions, "warehouse_ids": ids });
    let role = api.post(ROLES, role).await.ok();
    let user = json!({
        "username": name, "name": name, "password": PASSWORD, "role_ids": [role["id"]]
    });
    api.post("/api/v1/auth/users", user).await.ok();
    (role, signed_in(api, name).await)
}

async fn signed_in(api: &Api, name: &str) -> Api {
    let body = json!({ "username": name, "password": PASSWORD });
    let tokens = api.with_token(None).post("/api/v1/auth/token", body).await.ok();
    api.with_token(tokens["access_token"].as_str())
}

fn transfer(from: &Value, to: &Value, product: &Value) -> Value {
    json!({
        "from_warehouse_id": from["id"], "to_warehouse_id": to["id"],
        "lines": [{ "product_id": product["id"], "quantity": "1" }]
    })
}

/// Of a list what is in these warehouses, asked for one by one: nothing is left out of a page
/// after it was cut.
async fn all_of(api: &Api, list: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{list}?limit=1{cursor}")).await.ok();
        let rows = page["data"].as_array().expect("a page").clone();
        assert!(rows.len() == 1 || page["page"]["has_more"] == false, "{list}: {page}");
        found.extend(rows);
        match page["page"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_clerk_sees_and_changes_what_is_in_their_warehouse_alone() {
    for topology in [Topology::OneProcess, Topology::Separate] {
        let server = Server::start_as(topology, &[]).await;
        let api = &server.api;
        let (ours, theirs) = (warehouse(api, "OURS").await, warehouse(api, "THEIRS").await);
        let chair = product(api, "CHAIR").await;
        let (_, clerk) = clerk(api, "clerk", json!(["inventory.*"]), &[&ours]).await;
        // By turns, and theirs last: a page that was cut before it is filtered would be empty.
        let mut both = Vec::new();
        for warehouse in [&ours, &theirs] {
            let lines = [(&chair, "10", "1")];
            let receipt = api.post(RECEIPTS, receipt(warehouse, &lines)).await.ok();
            let count = json!({ "warehouse_id": warehouse["id"] });
            let count = api.post(COUNTS, count).await.ok();
            let aside = api.post(RESERVATIONS, reservation(warehouse, &chair, "1")).await.ok();
            let place = json!({
                "warehouse_id": warehouse["id"], "code": "A", "name": "A", "kind": "stock",
                "pick_order": 1, "barcode": format!("SHELF-{}", text(&warehouse["code"]))
            });
            let place = api.post(LOCATIONS, place).await.ok();
            let rule = json!({
                "warehouse_id": warehouse["id"], "product_id": chair["id"], "min": "50",
                "target": "100", "lead_time_days": 5
            });
            let rule = api.post(REORDER, rule).await.ok();
            both.push([
                (REORDER, rule),
                (MOVES, receipt["moves"][0].clone()),
                (COUNTS, count),
                (RESERVATIONS, aside),
                (LOCATIONS, place),
                (WAREHOUSES, warehouse.clone()),
            ]);
        }
        let [own, others] = [&both[0], &both[1]];
        for ((list, own), (_, other)) in own.iter().zip(others) {
            let own_path = format!("{list}/{}", text(&own["id"]));
            let other_path = format!("{list}/{}", text(&other["id"]));
            assert_eq!(all_of(&clerk, list).await.len(), 1, "{list}");
            let shown = clerk.get(&own_path).await.ok();
            assert_eq!(shown["id"], own["id"]);
            api.get(&other_path).await.ok();
            clerk.get(&other_path).await.problem(404, "not_found");
        }
        for list in [STOCK, "/api/v1/inventory/bins"] {
            let rows = all_of(&clerk, list).await;
            assert!(rows.iter().all(|row| row["warehouse_id"] == ours["id"]), "{list}");
            let asked = format!("{list}?warehouse_id={}", text(&theirs["id"]));
            assert_eq!(clerk.get(&asked).await.ok()["data"], json!([]));
        }
        let path = format!("{PRODUCTS}/{}/availability", text(&chair["id"]));
        assert_eq!(clerk.get(&path).await.ok()["on_hand"], "10", "not of both");
        assert_eq!(api.get(&path).await.ok()["on_hand"], "20");
        clerk.get(PRODUCTS).await.ok();

        // What names a warehouse.
        let count = |warehouse: &Value| json!({ "warehouse_id": warehouse["id"] });
        for (list, body) in [
            (RECEIPTS, receipt(&theirs, &[(&chair, "1", "1")])),
            (ADJUSTMENTS, adjustment(&theirs, &chair, "1")),
            (RESERVATIONS, reservation(&theirs, &chair, "1")),
            (COUNTS, count(&theirs)),
        ] {
            let there = clerk.post(list, body.clone()).await;
            there.points_at(403, "permission_denied", "/warehouse_id");
            let here = with(body, "warehouse_id", ours["id"].clone());
            clerk.post(list, here).await.ok();
        }
        // And what is named by its id.
        let [(_, rule), _, (_, count), (_, aside), (_, place), _] = others;
        let of = |list: &str, row: &Value| format!("{list}/{}", text(&row["id"]));
        let act = async |path: String, row: &Value| {
            clerk.act(&path, row).await.problem(404, "not_found");
        };
        act(format!("{}/submit", of(COUNTS, count)), count).await;
        act(format!("{}/approve", of(COUNTS, count)), count).await;
        act(format!("{}/release", of(RESERVATIONS, aside)), aside).await;
        let lines = json!({ "lines": [{ "product_id": chair["id"], "quantity": "1" }] });
        let recorded = clerk.act_with(&format!("{}/record", of(COUNTS, count)), count, lines).await;
        recorded.problem(404, "not_found");
        clerk.get(&format!("{}/lines", of(COUNTS, count))).await.problem(404, "not_found");
        let renamed = clerk.patch(&of(LOCATIONS, place), place, json!({ "name": "B" })).await;
        renamed.problem(404, "not_found");
        let changed = clerk.patch(&of(REORDER, rule), rule, json!({ "min": "1" })).await;
        changed.problem(404, "not_found");
        let reversed = format!("{}/reverse", of(MOVES, &others[1].1));
        let reversed = clerk.post(&reversed, json!({ "reason": "Mistake" })).await;
        reversed.problem(404, "not_found");

        // What is to be done is what is to be done here.
        for (warehouse, place) in [(&ours, &own[4].1), (&theirs, place)] {
            let rule = json!({ "warehouse_id": warehouse["id"], "location_id": place["id"] });
            api.post(PUT_AWAY, rule).await.ok();
        }
        let there = json!({ "warehouse_id": theirs["id"], "location_id": place["id"] });
        let there = clerk.post(PUT_AWAY, there).await;
        there.points_at(403, "permission_denied", "/warehouse_id");
        let rules = all_of(api, PUT_AWAY).await;
        let rule = rules.iter().find(|rule| rule["warehouse_id"] == theirs["id"]).expect("it");
        let path = of(PUT_AWAY, rule);
        let request = clerk.request(reqwest::Method::DELETE, &path);
        clerk.send(request).await.problem(404, "not_found");
        for list in ["put-away-rules", "put-away-suggestions", "reorder-suggestions"] {
            let list = format!("/api/v1/inventory/{list}");
            assert_eq!(all_of(api, &list).await.len(), 2, "{list}");
            let rows = all_of(&clerk, &list).await;
            assert_eq!(rows.len(), 1, "{list}");
            assert_eq!(rows[0]["warehouse_id"], ours["id"], "{list}");
        }
        let scan =
            async |code: &str| clerk.get(&format!("/api/v1/inventory/scans?code={code}")).await;
        assert_eq!(scan("SHELF-OURS").await.ok()["matches"][0]["kind"], "location");
        scan("SHELF-THEIRS").await.problem(404, "not_found");

        // Goods are sent from here, and received here.
        let sent = clerk.post(TRANSFERS, transfer(&ours, &theirs, &chair)).await.ok();
        let taken = clerk.post(TRANSFERS, transfer(&theirs, &ours, &chair)).await;
        taken.points_at(403, "permission_denied", "/from_warehouse_id");
        let coming = api.post(TRANSFERS, transfer(&theirs, &ours, &chair)).await.ok();
        let third = warehouse(api, "THIRD").await;
        let passing = api.post(TRANSFERS, transfer(&theirs, &third, &chair)).await.ok();
        assert_eq!(all_of(&clerk, TRANSFERS).await.len(), 2);
        clerk.get(&of(TRANSFERS, &passing)).await.problem(404, "not_found");
        clerk.get(&of(TRANSFERS, &sent)).await.ok();
        let lines = json!({ "lines": [{ "product_id": chair["id"], "received": "1" }] });
        let path = format!("{}/receive", of(TRANSFERS, &sent));
        clerk.act_with(&path, &sent, lines.clone()).await.problem(404, "not_found");
        let path = format!("{}/receive", of(TRANSFERS, &coming));
        clerk.act_with(&path, &coming, lines).await.ok();
        server.assert_invariants().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn what_does_not_keep_to_warehouses_is_not_for_whoever_has_but_some() {
    let server = Server::start().await;
    let api = &server.api;
    let ours = warehouse(api, "OURS").await;
    let (role, clerk) = clerk(api, "clerk", json!(["inventory.*"]), &[&ours]).await;
    let spec = api.get("/openapi.json").await.ok();
    let (mut refused, mut kept) = (0, 0);
    for (method, path, operation) in operations(&spec) {
        let permission = operation["x-permission"].as_str().unwrap_or_default();
        if !permission.starts_with("inventory.") {
            assert!(operation["x-scope"].is_null(), "{path} knows nothing of warehouses");
            continue;
        }
        let path = path.replace("{id}", &Uuid::now_v7().to_string());
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = clerk.send(clerk.request(method, &path)).await;
        if operation["x-scope"].is_null() {
            assert_eq!(
                answer.problem(403, "permission_denied")["params"]["permission"],
                permission
            );
            refused += 1;
        } else {
            assert_ne!(answer.status, 403, "{path}");
            kept += 1;
        }
    }
    assert!(refused > 20 && kept > 30, "{refused} {kept}");

    // May I, and where?
    let (here, there) = (ours["id"].clone(), json!(Uuid::now_v7()));
    let check = async |caller: &Api, warehouse: &Value, allowed: bool, reason: &str| {
        let asked = json!({ "permission": "inventory.stock:read", "warehouse_id": warehouse });
        let said = caller.post("/api/v1/auth/permissions:check", asked).await.ok();
        assert_eq!(
            (&said["allowed"], &said["reason"]),
            (&json!(allowed), &json!(reason)),
            "{said}"
        );
        said
    };
    let said = check(&clerk, &here, true, "granted").await;
    assert_eq!(said["explanation"], "the role clerk grants inventory.* in one warehouse");
    assert_eq!(said["granted_by"][0]["warehouse_ids"], json!([here]));
    check(&clerk, &there, false, "other_warehouse").await;
    check(&clerk, &Value::Null, true, "granted").await;
    check(api, &there, true, "granted").await;
    // A category is of no warehouse, so nobody may make one for a warehouse.
    for warehouse in [&here, &Value::Null] {
        let asked = json!({
            "permission": "inventory.category:create", "warehouse_id": warehouse
        });
        let said = clerk.post("/api/v1/auth/permissions:check", asked).await.ok();
        assert_eq!(said["reason"], "not_of_a_warehouse", "{said}");
        assert_eq!(said["allowed"], false);
    }
    let category = json!({ "code": "X", "name": "X" });
    let refused = clerk.post("/api/v1/inventory/categories", category).await;
    refused.problem(403, "permission_denied");
    let me = clerk.get("/api/v1/auth/me").await.ok();
    let path = format!("/api/v1/auth/users/{}/permissions", text(&me["id"]));
    let explained = api.get(&path).await.ok();
    let explained = explained["permissions"].as_array().expect("a list");
    let has = |permission: &str| explained.iter().any(|one| one["permission"] == permission);
    assert!(has("inventory.stock:read") && !has("inventory.category:create"));
    assert_eq!(me["permissions"], json!([format!("inventory.*@{}", text(&here))]));

    // A role that counts everywhere says more.
    let path = format!("{ROLES}/{}", text(&role["id"]));
    let wide = api.patch(&path, &role, json!({ "warehouse_ids": null })).await.ok();
    assert!(wide.get("warehouse_ids").is_none(), "{wide}");
    let everywhere = signed_in(api, "clerk").await;
    everywhere.get("/api/v1/inventory/valuation").await.ok();
    check(&everywhere, &there, true, "granted").await;
    server.stop().await;
}

#[tokio::test]
async fn a_role_for_some_warehouses_is_one_of_inventory() {
    let server = Server::start().await;
    let api = &server.api;
    let ours = warehouse(api, "OURS").await;
    let new = json!({
        "name": "clerk", "permissions": ["inventory.stock:read"], "warehouse_ids": [ours["id"]]
    });
    let refused = async |field: &str, value: Value, code: &str| {
        let body = with(new.clone(), field, value);
        api.post(ROLES, body).await.points_at(422, code, "/warehouse_ids");
    };
    refused("permissions", json!(["orders.order:read"]), "not_of_warehouses").await;
    refused("permissions", json!(["*"]), "not_of_warehouses").await;
    refused("warehouse_ids", json!([]), "no_warehouses").await;
    let many: Vec<_> = (0..51).map(|_| Uuid::now_v7()).collect();
    refused("warehouse_ids", json!(many), "too_many_warehouses").await;
    let role = api.post(ROLES, new.clone()).await.ok();
    assert_eq!(role["warehouse_ids"], json!([ours["id"]]));
    let path = format!("{ROLES}/{}", text(&role["id"]));
    assert_eq!(api.get(&path).await.ok(), role);
    let wider = json!({ "permissions": ["inventory.stock:read", "sales.customer:read"] });
    api.patch(&path, &role, wider).await.points_at(422, "not_of_warehouses", "/warehouse_ids");

    // Who has something in one warehouse gives it to nobody, here or elsewhere.
    let grantor =
        json!({ "name": "grantor", "permissions": ["auth.role:create", "auth.role:update"] });
    let grantor = api.post(ROLES, grantor).await.ok();
    let user = json!({
        "username": "eve", "name": "Eve", "password": PASSWORD,
        "role_ids": [grantor["id"], role["id"]]
    });
    api.post("/api/v1/auth/users", user).await.ok();
    let eve = signed_in(api, "eve").await;
    let puppet = json!({ "name": "puppet", "permissions": ["inventory.stock:read"] });
    eve.post(ROLES, puppet).await.problem(403, "cannot_grant");
    let wide = eve.patch(&path, &role, json!({ "warehouse_ids": null })).await;
    wide.problem(403, "cannot_grant");

    // A key of whoever is limited is as limited, from the moment they are.
    let all = json!({ "name": "all stock", "permissions": ["inventory.*"] });
    let all = api.post(ROLES, all).await.ok();
    let owner = json!({
        "username": "bob", "name": "Bob", "password": PASSWORD, "role_ids": [all["id"]]
    });
    let owner = api.post("/api/v1/auth/users", owner).await.ok();
    let tomorrow = chrono::Utc::now() + chrono::TimeDelta::days(1);
    let key = json!({
        "name": "scanner", "scopes": ["inventory.stock:read"], "expires_at": tomorrow,
        "user_id": owner["id"]
    });
    let key = api.post("/api/v1/auth/api-keys", key).await.ok();
    let elsewhere = warehouse(api, "ELSEWHERE").await;
    let chair = product(api, "CHAIR").await;
    for warehouse in [&ours, &elsewhere] {
        api.post(RECEIPTS, receipt(warehouse, &[(&chair, "1", "1")])).await.ok();
    }
    let all_path = format!("{ROLES}/{}", text(&all["id"]));
    api.patch(&all_path, &all, json!({ "warehouse_ids": [ours["id"]] })).await.ok();
    let scanner = api.with_token(key["key"].as_str());
    let rows = scanner.get(STOCK).await.ok();
    assert_eq!(rows["data"].as_array().map(Vec::len), Some(1), "{rows}");
    server.stop().await;
}
