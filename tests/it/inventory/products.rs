//! Products in detail: barcodes, units, categories, variants, search.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{PRODUCTS, product};
use crate::harness::{Api, Server, text, with};

const CATEGORIES: &str = "/api/v1/inventory/categories";
const TEMPLATES: &str = "/api/v1/inventory/product-templates";

fn new(sku: &str) -> Value {
    json!({ "sku": sku, "name": sku, "unit": "pcs", "tax_class": "standard" })
}

async fn skus(api: &Api, query: &str) -> Vec<String> {
    let page = api.get(&format!("{PRODUCTS}?sort=created_at&{query}")).await.ok();
    let rows = page["data"].as_array().expect("rows").clone();
    rows.iter().map(|row| text(&row["sku"])).collect()
}

#[tokio::test]
async fn a_barcode_has_its_check_digit_and_one_holder() {
    let server = Server::start().await;
    let api = &server.api;
    let with_code = |sku: &str, barcode: &str| with(new(sku), "barcode", json!(barcode));
    let wrong = api.post(PRODUCTS, with_code("A", "4006381333932")).await;
    wrong.points_at(422, "invalid_gtin", "/barcode");
    let pen = api.post(PRODUCTS, with_code("A", "036000291452")).await.ok();
    // The same number with a zero before it.
    let twin = api.post(PRODUCTS, with_code("B", "0036000291452")).await;
    twin.points_at(409, "barcode_taken", "/barcode");
    for spelling in ["036000291452", "0036000291452", "00036000291452"] {
        let found = api.get(&format!("/api/v1/inventory/barcodes/{spelling}")).await.ok();
        assert_eq!((&found["product"]["id"], &found["quantity"]), (&pen["id"], &json!("1")));
    }
    api.get("/api/v1/inventory/barcodes/4006381333931").await.problem(404, "not_found");

    let path = format!("{PRODUCTS}/{}", text(&pen["id"]));
    let box_of = |barcode: &str| {
        json!({ "units": [
            { "code": "box", "numerator": 12, "denominator": 1, "barcode": barcode }
        ] })
    };
    let units = format!("{path}/units");
    let own = api.put(&units, &pen, box_of("036000291452")).await;
    own.points_at(409, "barcode_taken", "/units/0/barcode");
    let wrong = api.put(&units, &pen, box_of("10614141000416")).await;
    wrong.points_at(422, "invalid_gtin", "/units/0/barcode");
    let set = api.put(&units, &pen, box_of("10614141000415")).await.ok();
    api.put(&units, &set, box_of("10614141000415")).await.ok();
    let found = api.get("/api/v1/inventory/barcodes/10614141000415").await.ok();
    assert_eq!((&found["unit"], &found["quantity"]), (&json!("box"), &json!("12")));
    let taken = api.post(PRODUCTS, with_code("C", "10614141000415")).await;
    taken.points_at(409, "barcode_taken", "/barcode");
}

#[tokio::test]
async fn a_conversion_is_exact_or_refused() {
    let server = Server::start().await;
    let api = &server.api;
    let pen = product(api, "PEN").await;
    let path = format!("{PRODUCTS}/{}", text(&pen["id"]));
    let units = |list: Value| json!({ "units": list });
    let unit = |code: &str, numerator: i64, denominator: i64| json!({ "code": code, "numerator": numerator, "denominator": denominator });
    let check = async |list: Value, pointer: &str| {
        let answer = api.put(&format!("{path}/units"), &pen, units(list)).await;
        answer.points_at(422, "invalid_unit", pointer);
    };
    check(json!([unit("pcs", 1, 1)]), "/units/0/code").await;
    check(json!([unit("box", 1, 1), unit("box", 2, 1)]), "/units/1/code").await;
    check(json!([unit("box", 0, 1)]), "/units/0/numerator").await;
    check(json!([unit("box", 1, 0)]), "/units/0/denominator").await;
    check(json!(vec![unit("box", 1, 1); 21]), "/units").await;
    let set = json!([unit("box", 12, 1), unit("half", 1, 2), unit("pallet", 144, 1)]);
    let set = api.put(&format!("{path}/units"), &pen, units(set)).await.ok();
    assert_eq!(set["version"], 2);
    assert_eq!(api.get(&format!("{path}/units")).await.ok(), set);
    let stale = api.put(&format!("{path}/units"), &pen, units(json!([]))).await;
    stale.problem(412, "stale_version");

    let convert = async |quantity: &str, from: &str, to: &str| {
        let body = json!({ "quantity": quantity, "from": from, "to": to });
        api.post(&format!("{path}/convert"), body).await
    };
    let answer = convert("2", "pallet", "box").await.ok();
    assert_eq!((&answer["quantity"], &answer["base_quantity"]), (&json!("24"), &json!("288")));
    assert_eq!(convert("6", "pcs", "box").await.ok()["quantity"], "0.5");
    let inexact = convert("5", "pcs", "box").await;
    inexact.points_at(422, "conversion_not_exact", "/quantity");
    // Half a piece is no quantity of pieces.
    convert("1", "half", "pcs").await.points_at(422, "quantity_too_fine", "/quantity");
    convert("1", "crate", "pcs").await.points_at(422, "unknown_unit", "/from");
    convert("1", "pcs", "crate").await.points_at(422, "unknown_unit", "/to");
    let nobody = format!("{PRODUCTS}/{}/convert", Uuid::now_v7());
    let body = json!({ "quantity": "1", "from": "pcs", "to": "pcs" });
    api.post(&nobody, body).await.problem(404, "not_found");
}

#[tokio::test]
async fn products_are_sorted_by_category_and_known_by_their_external_id() {
    let server = Server::start().await;
    let api = &server.api;
    let chairs = api.post(CATEGORIES, json!({ "code": "CHAIRS", "name": "Chairs" })).await.ok();
    let part = json!({ "code": "STOOLS", "name": "Stools", "parent_id": chairs["id"] });
    let stools = api.post(CATEGORIES, part.clone()).await.ok();
    api.post(CATEGORIES, part.clone()).await.points_at(409, "category_code_taken", "/code");
    let lost = with(part, "parent_id", json!(Uuid::now_v7()));
    api.post(CATEGORIES, lost).await.points_at(422, "unknown_category", "/parent_id");
    let path = format!("{CATEGORIES}/{}", text(&stools["id"]));
    let stools = api.patch(&path, &stools, json!({ "name": "Bar stools" })).await.ok();
    assert_eq!(api.get(&path).await.ok(), stools);
    let parts = format!("{CATEGORIES}?parent_id={}", text(&chairs["id"]));
    assert_eq!(api.get(&parts).await.ok()["data"], json!([stools]));

    let body = with(new("S1"), "category_id", stools["id"].clone());
    let body = with(with(body, "external_id", json!("shop/17")), "weight_g", json!(4200));
    let stool = api.post(PRODUCTS, body.clone()).await.ok();
    assert_eq!((&stool["external_id"], &stool["weight_g"]), (&json!("shop/17"), &json!(4200)));
    let twin = api.post(PRODUCTS, with(body.clone(), "sku", json!("S2"))).await;
    twin.points_at(409, "external_id_taken", "/external_id");
    let lost = with(with(new("S2"), "x", json!(1)), "category_id", json!(Uuid::now_v7()));
    api.post(PRODUCTS, lost).await.points_at(422, "invalid_body", "/x");
    let lost = with(new("S2"), "category_id", json!(Uuid::now_v7()));
    api.post(PRODUCTS, lost).await.points_at(422, "unknown_category", "/category_id");
    let other = product(api, "S3").await;
    let path = format!("{PRODUCTS}/{}", text(&other["id"]));
    let taken = api.patch(&path, &other, json!({ "external_id": "shop/17" })).await;
    let problem = taken.points_at(409, "external_id_taken", "/external_id");
    assert!(text(&problem["detail"]).contains("shop/17"), "{problem}");
    assert_eq!(skus(api, &format!("category_id={}", text(&stools["id"]))).await, ["S1"]);
    assert_eq!(skus(api, "external_id=shop/17").await, ["S1"]);
    let path = format!("{PRODUCTS}/{}", text(&stool["id"]));
    let bare = json!({ "external_id": null, "category_id": null, "weight_g": null });
    let stool = api.patch(&path, &stool, bare).await.ok();
    assert_eq!((stool.get("external_id"), stool.get("weight_g")), (None, None));
}

#[tokio::test]
async fn a_variant_has_one_value_of_each_attribute() {
    let server = Server::start().await;
    let api = &server.api;
    let attributes = json!([
        { "name": "size", "values": ["S", "M"] }, { "name": "colour", "values": ["red"] }
    ]);
    let body = json!({ "code": "SHIRT", "name": "Shirt", "attributes": attributes });
    let shirt = api.post(TEMPLATES, body.clone()).await.ok();
    api.post(TEMPLATES, body.clone()).await.points_at(409, "template_code_taken", "/code");
    let twice = json!([{ "name": "size", "values": ["S", "S"] }]);
    let twice = with(body.clone(), "attributes", twice);
    api.post(TEMPLATES, twice).await.points_at(422, "invalid_attributes", "/attributes/0/values");
    let none = with(body, "attributes", json!([]));
    api.post(TEMPLATES, none).await.points_at(422, "invalid_attributes", "/attributes");
    let path = format!("{TEMPLATES}/{}", text(&shirt["id"]));
    assert_eq!(api.get(&path).await.ok(), shirt);

    let variant = |sku: &str, options: Value| {
        with(with(new(sku), "template_id", shirt["id"].clone()), "options", options)
    };
    let small = json!({ "colour": "red", "size": "S" });
    let made = api.post(PRODUCTS, variant("SHIRT-S", small.clone())).await.ok();
    assert_eq!(made["options"], small);
    let twin = api.post(PRODUCTS, variant("SHIRT-S2", json!({ "size": "S", "colour": "red" })));
    twin.await.points_at(409, "variant_exists", "/options");
    let misfits = [
        json!({}),
        json!({ "size": "S" }),
        json!({ "size": "XXL", "colour": "red" }),
        json!({ "size": "S", "colour": "red", "cut": "slim" }),
    ];
    for options in misfits {
        let answer = api.post(PRODUCTS, variant("SHIRT-X", options)).await;
        answer.points_at(422, "options_do_not_fit", "/options");
    }
    let lost = with(new("L"), "template_id", json!(Uuid::now_v7()));
    api.post(PRODUCTS, lost).await.points_at(422, "unknown_template", "/template_id");
    let alone = with(new("L"), "options", json!({}));
    api.post(PRODUCTS, alone).await.points_at(422, "options_do_not_fit", "/options");
    assert_eq!(skus(api, &format!("template_id={}", text(&shirt["id"]))).await, ["SHIRT-S"]);
}

#[tokio::test]
async fn products_are_found_by_what_begins_their_words() {
    let server = Server::start().await;
    let api = &server.api;
    let named = |sku: &str, name: &str| with(new(sku), "name", json!(name));
    let oak = api.post(PRODUCTS, named("CHAIR-1", "Oak chair, oiled")).await.ok();
    let ash = with(named("CHAIR-2", "Ash chair (größer)"), "barcode", json!("4006381333931"));
    api.post(PRODUCTS, ash).await.ok();
    api.post(PRODUCTS, named("T/900", "Oak table")).await.ok();
    let check = async |text: &str, expected: &[&str]| {
        assert_eq!(skus(api, &format!("q={text}")).await, expected, "{text}");
    };
    check("chair", &["CHAIR-1", "CHAIR-2"]).await;
    check("OAK", &["CHAIR-1", "T/900"]).await;
    check("oa+ch", &["CHAIR-1"]).await;
    check("GR%C3%96%C3%9F", &["CHAIR-2"]).await;
    check("4006381", &["CHAIR-2"]).await;
    check("t/9", &["T/900"]).await;
    check("air", &[]).await;
    check("oak+nothing", &[]).await;
    check("chair&limit=1", &["CHAIR-1"]).await;
    let path = format!("{PRODUCTS}/{}", text(&oak["id"]));
    api.patch(&path, &oak, json!({ "name": "Beech bench" })).await.ok();
    check("oak", &["T/900"]).await;
    check("bee+ben", &["CHAIR-1"]).await;
}
