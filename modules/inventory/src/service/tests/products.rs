//! Products and what goes with them: one number written in two ways.

use serde_json::json;

use super::bench::{Bench, ctx, request};

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
