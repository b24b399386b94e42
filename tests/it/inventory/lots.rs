//! Locations, lots and serial numbers, as those who type and scan see them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::work::colleague;
use super::{ADJUSTMENTS, PRODUCTS, RECEIPTS, STOCK, adjustment, product, receipt, stock};
use super::{warehouse, with_lots};
use crate::harness::{Api, Server, text, with};

const LOCATIONS: &str = "/api/v1/inventory/locations";
const RULES: &str = "/api/v1/inventory/put-away-rules";
const RELOCATIONS: &str = "/api/v1/inventory/relocations";
const BINS: &str = "/api/v1/inventory/bins";
const LOTS: &str = "/api/v1/inventory/lots";
const SCANS: &str = "/api/v1/inventory/scans";
const TRANSFERS: &str = "/api/v1/inventory/transfers";
const COUNTS: &str = "/api/v1/inventory/stock-counts";

async fn tracked(api: &Api, sku: &str, tracking: &str) -> Value {
    let body = json!({
        "sku": sku, "name": sku, "unit": "pcs", "tax_class": "standard", "tracking": tracking
    });
    api.post(PRODUCTS, body).await.ok()
}

fn place(warehouse: &Value, code: &str, kind: &str) -> Value {
    json!({ "warehouse_id": warehouse["id"], "code": code, "name": code, "kind": kind })
}

#[tokio::test]
async fn locations_are_a_tree_of_kinds() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let row = with(place(&main, "A", "stock"), "barcode", json!("LOC-A"));
    let row = api.post(LOCATIONS, row).await.ok();
    let path = format!("{LOCATIONS}/{}", text(&row["id"]));
    assert_eq!(api.get(&path).await.ok(), row);
    let shelf = with(place(&main, "A-1", "stock"), "parent_id", row["id"].clone());
    let shelf = api.post(LOCATIONS, shelf).await.ok();
    let parts = api.get(&format!("{LOCATIONS}?parent_id={}", text(&row["id"]))).await.ok();
    assert_eq!(parts["data"], json!([shelf]));
    let stocks = format!("{LOCATIONS}?warehouse_id={}&kind=stock", text(&main["id"]));
    assert_eq!(api.get(&stocks).await.ok()["data"], json!([shelf, row]));

    let check = async |body: Value, status: u16, code: &str, pointer: &str| {
        api.post(LOCATIONS, body).await.points_at(status, code, pointer);
    };
    let good = place(&main, "B", "stock");
    check(place(&main, "A", "stock"), 409, "location_code_taken", "/code").await;
    let same = with(good.clone(), "barcode", json!("LOC-A"));
    check(same, 409, "location_barcode_taken", "/barcode").await;
    let under = |location: &Value| with(good.clone(), "parent_id", location["id"].clone());
    check(with(under(&shelf), "kind", json!("scrap")), 422, "other_kind", "/kind").await;
    let elsewhere = with(under(&shelf), "warehouse_id", shop["id"].clone());
    check(elsewhere, 422, "unknown_location", "/parent_id").await;
    let nowhere = with(good.clone(), "warehouse_id", json!(Uuid::now_v7()));
    check(nowhere, 422, "unknown_warehouse", "/warehouse_id").await;

    let patch = json!({ "name": "Row A", "pick_order": 7, "barcode": null, "is_active": false });
    let changed = api.patch(&path, &row, patch.clone()).await.ok();
    assert_eq!((&changed["pick_order"], changed.get("barcode")), (&json!(7), None));
    api.patch(&path, &row, patch).await.problem(412, "stale_version");
    let nobody = format!("{LOCATIONS}/{}", Uuid::now_v7());
    api.get(&nobody).await.problem(404, "not_found");
    server.assert_invariants().await;
}

#[tokio::test]
async fn what_has_come_is_put_where_the_rules_want_it() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let chair = product(api, "CHAIR").await;
    let dock = api.post(LOCATIONS, place(&main, "IN", "input")).await.ok();
    let shelf = api.post(LOCATIONS, place(&main, "A", "stock")).await.ok();
    let front = api.post(LOCATIONS, place(&shop, "FRONT", "stock")).await.ok();
    let rule = json!({
        "warehouse_id": main["id"], "product_id": chair["id"], "location_id": shelf["id"]
    });
    let made = api.post(RULES, rule.clone()).await.ok();
    api.post(RULES, rule.clone()).await.problem(409, "put_away_rule_exists");
    let check = async |field: &str, value: Value, code: &str| {
        let body = with(rule.clone(), field, value);
        api.post(RULES, body).await.points_at(422, code, &format!("/{field}"));
    };
    check("location_id", front["id"].clone(), "unknown_location").await;
    check("warehouse_id", json!(Uuid::now_v7()), "unknown_warehouse").await;
    check("product_id", json!(Uuid::now_v7()), "unknown_product").await;
    check("category_id", json!(Uuid::now_v7()), "rule_of_both").await;
    // A shop without a dock puts everything on its one shelf at once.
    let all = json!({ "warehouse_id": shop["id"], "location_id": front["id"] });
    let all = api.post(RULES, all).await.ok();
    let listed = api.get(&format!("{RULES}?warehouse_id={}", text(&main["id"]))).await.ok();
    assert_eq!(listed["data"], json!([made]));

    for warehouse in [&main, &shop] {
        api.post(RECEIPTS, receipt(warehouse, &[(&chair, "5", "1")])).await.ok();
    }
    let there = async |location: &Value| {
        let path = format!("{BINS}?location_id={}", text(&location["id"]));
        api.get(&path).await.ok()["data"][0]["quantity"].clone()
    };
    assert_eq!((there(&dock).await, there(&front).await), (json!("5"), json!("5")));
    let suggestions = "/api/v1/inventory/put-away-suggestions?warehouse_id=";
    let suggested = api.get(&format!("{suggestions}{}", text(&main["id"]))).await.ok();
    let suggested = suggested["data"].clone();
    assert_eq!(suggested.as_array().map(Vec::len), Some(1));
    let mut line = suggested[0].clone();
    line.as_object_mut().expect("a line").remove("warehouse_id");
    assert_eq!(line["to_location_id"], shelf["id"]);
    let body =
        |line: &Value| json!({ "warehouse_id": main["id"], "reason": "put away", "lines": [line] });
    let bad = async |field: &str, value: Value, status: u16, code: &str, pointer: &str| {
        let answer = api.post(RELOCATIONS, body(&with(line.clone(), field, value))).await;
        match pointer {
            "" => drop(answer.problem(status, code)),
            pointer => drop(answer.points_at(status, code, pointer)),
        }
    };
    let dock_id = dock["id"].clone();
    bad("to_location_id", dock_id, 422, "nowhere_to_go", "/lines/0/to_location_id").await;
    let front_id = front["id"].clone();
    bad("to_location_id", front_id, 422, "unknown_location", "/lines/0/to_location_id").await;
    bad("quantity", json!("0.5"), 422, "quantity_too_fine", "/lines/0/quantity").await;
    bad("quantity", json!("6"), 409, "insufficient_stock", "").await;
    line["quantity"] = json!("5");
    let moved = api.post(RELOCATIONS, body(&line)).await.ok();
    assert_eq!(moved["lines"][0]["quantity"], "5");
    assert_eq!(there(&shelf).await, json!("5"));
    let done = api.get(&format!("{suggestions}{}", text(&main["id"]))).await.ok();
    assert_eq!(done["data"], json!([]));
    let delete = api.request(reqwest::Method::DELETE, &format!("{RULES}/{}", text(&all["id"])));
    assert_eq!(api.send(delete).await.status, 204);
    server.settle().await;
    server.assert_invariants().await;
}

#[tokio::test]
async fn lots_come_with_receipts_and_bad_ones_are_pointed_at() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let (milk, chair) = (tracked(api, "MILK", "lot").await, product(api, "CHAIR").await);
    let phone = tracked(api, "PHONE", "serial").await;
    let lot = |number: &str, quantity: &str, date: Value| json!({ "number": number, "quantity": quantity, "expires_on": date });
    let good = with_lots(&main, &milk, "5", json!([lot("A", "5", json!("2030-01-31"))]));
    api.post(RECEIPTS, good).await.ok();
    let check = async |product: &Value, quantity: &str, lots: Value, code: &str, field: &str| {
        let body = with_lots(&main, product, quantity, lots);
        api.post(RECEIPTS, body).await.points_at(422, code, &format!("/lines/0/{field}"));
    };
    let none = Value::Null;
    let one = json!([lot("X", "1", none.clone())]);
    check(&chair, "1", one.clone(), "lots_not_tracked", "lots").await;
    check(&milk, "2", one, "lots_do_not_add_up", "lots").await;
    let other = json!([lot("A", "1", json!("2030-02-01"))]);
    check(&milk, "1", other, "lot_differs", "lots/0/expires_on").await;
    let halves = json!([lot("X", "0.5", none.clone()), lot("Y", "0.5", none.clone())]);
    check(&milk, "1", halves, "quantity_too_fine", "lots/0/quantity").await;
    let two = json!([lot("S", "2", none.clone())]);
    check(&phone, "2", two, "serial_of_many", "lots/0/quantity").await;
    let twice = json!([lot("S", "1", none.clone()), lot("S", "1", none.clone())]);
    check(&phone, "2", twice, "duplicate_serial", "lots/1/number").await;
    let serial = with_lots(&main, &phone, "1", json!([lot("S", "1", none)]));
    api.post(RECEIPTS, serial.clone()).await.ok();
    let again = api.post(RECEIPTS, serial).await.problem(409, "serial_on_hand");
    assert_eq!(again["params"]["number"], "S");
    assert_eq!(stock(api, &phone).await["on_hand"], "1", "refused whole");

    // How it is tracked is settled; half a piece has no serial number.
    let path = format!("{PRODUCTS}/{}", text(&milk["id"]));
    let patch = json!({ "tracking": "none" });
    api.patch(&path, &milk, patch).await.points_at(409, "tracking_fixed", "/tracking");
    let unit = json!({
        "sku": "OIL", "name": "Oil", "unit": "l", "unit_decimals": 2, "tax_class": "standard",
        "tracking": "serial"
    });
    api.post(PRODUCTS, unit).await.points_at(422, "serial_of_no_pieces", "/tracking");

    // A lot in quarantine is on hand and promised to nobody.
    let found = api.get(&format!("{LOTS}?number=A&product_id={}", text(&milk["id"]))).await.ok();
    let a = found["data"][0].clone();
    let path = format!("{LOTS}/{}", text(&a["id"]));
    let why = json!({ "reason": "leaks" });
    let quarantine = format!("{path}/quarantine");
    let a = api.act_with(&quarantine, &a, why.clone()).await.ok();
    assert_eq!(a["status"], "quarantined");
    api.act_with(&quarantine, &a, why).await.problem(409, "lot_transition");
    let row = stock(api, &milk).await;
    let figures = ["on_hand", "blocked", "available"].map(|field| text(&row[field]));
    assert_eq!(figures, ["5", "5", "0"]);
    let aside = super::reservation(&main, &milk, "1");
    api.post(super::RESERVATIONS, aside).await.problem(409, "insufficient_stock");
    let taken = api.post(ADJUSTMENTS, adjustment(&main, &milk, "-1")).await;
    taken.problem(409, "insufficient_stock");
    let strange = with(adjustment(&main, &chair, "-1"), "lot_id", a["id"].clone());
    api.post(ADJUSTMENTS, strange).await.points_at(422, "unknown_lot", "/lot_id");
    let thrown = with(adjustment(&main, &milk, "-5"), "lot_id", a["id"].clone());
    let thrown = api.post(ADJUSTMENTS, thrown).await.ok();
    let reverse = format!("/api/v1/inventory/moves/{}", text(&thrown["id"]));
    let lots = api.get(&format!("{reverse}/lots")).await.ok();
    assert_eq!(lots["lots"][0]["quantity"], "-5");
    api.post(&format!("{reverse}/reverse"), json!({ "reason": "it was water" })).await.ok();
    let bins = api.get(&format!("{BINS}?lot_id={}", text(&a["id"]))).await.ok();
    assert_eq!(bins["data"][0]["quantity"], "5", "it is that lot again");
    let trace = api.get(&format!("{path}/trace?limit=2")).await.ok();
    assert_eq!(trace["page"]["has_more"], true);
    let rows = api.get(&format!("{STOCK}?product_id={}", text(&milk["id"]))).await.ok();
    assert_eq!(rows["data"][0]["blocked"], "5");
    server.settle().await;
    server.assert_invariants().await;
}

#[tokio::test]
async fn a_scanner_finds_whatever_it_is_held_to() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let body = json!({
        "sku": "MILK", "name": "Milk", "unit": "pcs", "tax_class": "standard",
        "tracking": "lot", "barcode": "4006381333931"
    });
    let milk = api.post(PRODUCTS, body).await.ok();
    let wine = tracked(api, "WINE", "lot").await;
    for product in [&milk, &wine] {
        let lots = json!([{ "number": "L-1", "quantity": "1" }]);
        api.post(RECEIPTS, with_lots(&main, product, "1", lots)).await.ok();
    }
    let shelf = with(place(&main, "A", "stock"), "barcode", json!("LOC-A"));
    api.post(LOCATIONS, shelf).await.ok();
    let kinds = async |code: &str| {
        let found = api.get(&format!("{SCANS}?code={code}")).await.ok();
        let matches = found["matches"].as_array().expect("matches").clone();
        matches.iter().map(|found| text(&found["kind"])).collect::<Vec<_>>()
    };
    assert_eq!(kinds("4006381333931").await, ["product"]);
    assert_eq!(kinds("L-1").await, ["lot", "lot"]);
    assert_eq!(kinds("LOC-A").await, ["location"]);
    assert_eq!(kinds("(01)04006381333931(10)L-1").await, ["product", "lot"]);
    assert_eq!(kinds("010400638133393117300131%1D10L-1").await, ["product", "lot"]);
    for nothing in ["nothing", "%00", "%C3%A4", "(01)04006381333932"] {
        api.get(&format!("{SCANS}?code={nothing}")).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_transfer_names_its_lots_and_bad_ones_are_pointed_at() {
    let server = Server::start().await;
    let api = &server.api;
    let (main, shop) = (warehouse(api, "MAIN").await, warehouse(api, "SHOP").await);
    let milk = tracked(api, "MILK", "lot").await;
    let lot = |number: &str, quantity: &str| json!({ "number": number, "quantity": quantity });
    let came = json!([lot("A", "3"), lot("B", "3")]);
    api.post(RECEIPTS, with_lots(&main, &milk, "6", came)).await.ok();
    let body = |number: &str, quantity: &str| {
        let lots = json!([lot(number, quantity)]);
        json!({
            "from_warehouse_id": main["id"], "to_warehouse_id": shop["id"],
            "lines": [{ "product_id": milk["id"], "quantity": quantity, "lots": lots }]
        })
    };
    let check = async |body: Value, status: u16, code: &str, field: &str| {
        let pointer = format!("/lines/0/lots/0/{field}");
        api.post(TRANSFERS, body).await.points_at(status, code, &pointer);
    };
    check(body("X", "1"), 422, "unknown_lot", "number").await;
    check(body("B", "4"), 409, "insufficient_lot", "quantity").await;
    let found = api.get(&format!("{LOTS}?number=A")).await.ok()["data"][0].clone();
    let quarantine = format!("{LOTS}/{}/quarantine", text(&found["id"]));
    api.act_with(&quarantine, &found, json!({ "reason": "leaks" })).await.ok();
    check(body("A", "1"), 409, "lot_blocked", "number").await;
    let sent = api.post(TRANSFERS, body("B", "2")).await.ok();
    let receive = format!("{TRANSFERS}/{}/receive", text(&sent["id"]));
    let line = |number: &str| {
        let lots = json!([lot(number, "2")]);
        json!({ "lines": [{ "product_id": milk["id"], "received": "2", "lots": lots }] })
    };
    let other = api.act_with(&receive, &sent, line("A")).await;
    other.points_at(409, "insufficient_lot", "/lines/0/lots/0/quantity");
    api.act_with(&receive, &sent, line("B")).await.ok();
    let bins = format!("{BINS}?warehouse_id={}", text(&shop["id"]));
    let there = api.get(&bins).await.ok()["data"].clone();
    assert_eq!((&there[0]["quantity"], there.as_array().map(Vec::len)), (&json!("2"), Some(1)));
    assert_ne!(there[0]["lot_id"], found["id"]);
    server.settle().await;
    server.assert_invariants().await;
}

#[tokio::test]
async fn lots_are_counted_and_bad_ones_are_pointed_at() {
    let server = Server::start().await;
    let api = &server.api;
    let main = warehouse(api, "MAIN").await;
    let (milk, phone) = (tracked(api, "MILK", "lot").await, tracked(api, "PHONE", "serial").await);
    let chair = product(api, "CHAIR").await;
    let lot = |number: &str, quantity: &str| json!({ "number": number, "quantity": quantity });
    let came = json!([lot("A", "3"), lot("B", "3")]);
    api.post(RECEIPTS, with_lots(&main, &milk, "6", came)).await.ok();
    api.post(RECEIPTS, with_lots(&main, &phone, "1", json!([lot("S1", "1")]))).await.ok();
    let products = json!([milk["id"], phone["id"], chair["id"]]);
    let new = json!({ "warehouse_id": main["id"], "product_ids": products, "is_blind": true });
    let count = api.post(COUNTS, new).await.ok();
    let path = format!("{COUNTS}/{}", text(&count["id"]));
    let line = |product: &Value, quantity: &str, lots: Value| json!({ "product_id": product["id"], "quantity": quantity, "lots": lots });
    let record =
        async |lines: Value| api.post(&format!("{path}/record"), json!({ "lines": lines })).await;
    let check = async |wrong: Value, code: &str, pointer: &str| {
        let lines = json!([line(&phone, "1", json!([lot("S1", "1")])), wrong]);
        record(lines).await.points_at(422, code, &format!("/lines/1/{pointer}"));
    };
    let one = json!([lot("A", "1")]);
    check(line(&milk, "2", one.clone()), "lots_do_not_add_up", "lots").await;
    check(line(&chair, "1", one), "lots_not_tracked", "lots").await;
    let twice = json!([lot("A", "1"), lot("A", "2")]);
    check(line(&milk, "3", twice), "duplicate_lot", "lots/1/number").await;
    let nothing = json!([lot("A", "2"), lot("C", "0")]);
    check(line(&milk, "2", nothing), "unknown_lot", "lots/1/number").await;
    let none = json!([lot("A", "2"), lot("B", "-1")]);
    check(line(&milk, "1", none), "quantity_negative", "lots/1/quantity").await;

    let found = json!([lot("A", "2"), lot("NEW", "4")]);
    let lines = json!([
        line(&milk, "6", found),
        line(&phone, "1", json!([lot("S1", "0"), lot("S2", "1")])),
        line(&chair, "0", json!([]))
    ]);
    let counted = record(lines).await.ok();
    let lots = async || {
        let shown = api.get(&format!("{path}/lines")).await.ok();
        let lines = shown["data"].as_array().expect("lines").clone();
        let line = lines.iter().find(|line| line["product_id"] == milk["id"]).expect("listed");
        line["lots"].clone()
    };
    let blind = lots().await;
    assert_eq!(blind.as_array().map(Vec::len), Some(2), "what was found: {blind}");
    assert_eq!((&blind[0]["number"], &blind[0]["counted"]), (&json!("A"), &json!("2")));
    assert_eq!((blind[0].get("book"), blind[0].get("variance")), (None, None));
    let submitted = api.act(&format!("{path}/submit"), &counted).await.ok();
    let shown = lots().await;
    let figures = |lot: &Value| ["number", "counted", "book", "variance"].map(|f| text(&lot[f]));
    let all: Vec<_> = shown.as_array().expect("lots").iter().map(figures).collect();
    assert_eq!(all, [["A", "2", "3", "-1"], ["B", "0", "3", "-3"], ["NEW", "4", "0", "4"]]);
    colleague(api).await.act(&format!("{path}/approve"), &submitted).await.ok();
    let moves = format!("/api/v1/inventory/moves?source_id={}", text(&count["id"]));
    let moves = api.get(&moves).await.ok();
    assert_eq!(moves["data"].as_array().map(Vec::len), Some(4), "two pairs");
    let row = stock(api, &milk).await;
    assert_eq!((&row["on_hand"], &row["value"]["amount"]), (&json!("6"), &json!("6.00")));
    let new = api.get(&format!("{LOTS}?number=NEW")).await.ok()["data"][0].clone();
    let bins = api.get(&format!("{BINS}?lot_id={}", text(&new["id"]))).await.ok();
    assert_eq!(bins["data"][0]["quantity"], "4");
    server.settle().await;
    server.assert_invariants().await;
}
