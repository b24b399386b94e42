//! Products and what goes with them: what changes nothing, and one number written in two ways.

use serde_json::json;

use super::bench::{Bench, ctx, request};
use crate::entities::{category, location, product, reorder_rule, warehouse};

#[tokio::test]
async fn what_changes_nothing_makes_no_new_version() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("A").await, bench.warehouse("W").await);
    let place = bench.place(warehouse, "A-1", "stock").await;
    let new = request(json!({ "code": "C", "name": "C" }));
    bench.service.create_category(&ctx(), new).await.expect("made");
    let category: category::Model = bench.find("SELECT * FROM categories").await;
    let new = request(json!({
        "product_id": product, "warehouse_id": warehouse, "min": "1", "target": "2"
    }));
    bench.service.create_reorder_rule(&ctx(), new).await.expect("made");
    let rule: reorder_rule::Model = bench.find("SELECT * FROM reorder_rules").await;
    for (is_other, version) in [(false, 1), (true, 2)] {
        let name = |name: &str| match is_other {
            true => json!({ "name": "other" }),
            false => json!({ "name": name }),
        };
        let service = &bench.service;
        service.update_product(&ctx(), product, request(name("A"))).await.expect("patched");
        service.update_warehouse(&ctx(), warehouse, request(name("W"))).await.expect("patched");
        service.update_location(&ctx(), place, request(name("A-1"))).await.expect("patched");
        service.update_category(&ctx(), category.id, request(name("C"))).await.expect("patched");
        let lead_time = json!({ "lead_time_days": if is_other { 5 } else { 0 } });
        service.update_reorder_rule(&ctx(), rule.id, request(lead_time)).await.expect("patched");
        let versions = [
            bench.find::<product::Model>("SELECT * FROM products").await.version,
            bench.find::<warehouse::Model>("SELECT * FROM warehouses").await.version,
            bench.find::<location::Model>("SELECT * FROM locations").await.version,
            bench.find::<category::Model>("SELECT * FROM categories").await.version,
            bench.find::<reorder_rule::Model>("SELECT * FROM reorder_rules").await.version,
        ];
        assert_eq!(versions, [version; 5]);
    }
}

#[tokio::test]
async fn one_number_is_of_one_unit_however_it_is_written() {
    let bench = Bench::new().await;
    let product = bench.product("A").await;
    let unit = |code: &str, barcode: &str| json!({ "code": code, "numerator": 6, "denominator": 1, "barcode": barcode });
    let set = async |barcodes: [&str; 2]| {
        let units = json!({ "units": [unit("box", barcodes[0]), unit("case", barcodes[1])] });
        bench.service.set_product_units(&ctx(), product, request(units)).await.map(drop)
    };
    let refused = set(["036000291452", "00036000291452"]).await.expect_err("the same number");
    assert_eq!((refused.status(), refused.code()), (422, "invalid_unit"));
    set(["036000291452", "4006381333931"]).await.expect("two numbers");
}
