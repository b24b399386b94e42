//! Where goods are put, and what becomes of a pick whose goods are gone.

use contracts::events::ReservationBroken;
use contracts::ids::{CategoryId, LocationId, LotId, ProductId, WarehouseId};
use kernel::Result;
use serde_json::{Value, json};

use super::bench::{Bench, ctx, q, request};
use super::lots::{code, lies};
use crate::entities::category;
use crate::entities::lot::LotStatus;
use crate::entities::picking_list::PickingStatus;

/// Goods taken out of a location.
struct Gone {
    product: ProductId,
    warehouse: WarehouseId,
    location: LocationId,
}

impl Bench {
    async fn lose(&self, gone: &Gone, units: i64, breaks: bool) -> Result<()> {
        let new = json!({
            "warehouse_id": gone.warehouse, "product_id": gone.product,
            "location_id": gone.location, "quantity": (-units).to_string(), "reason": "broken",
            "break_reservations": breaks
        });
        self.service.adjust_stock(&ctx(), request(new)).await.map(drop)
    }

    async fn put(&self, product: ProductId, at: (WarehouseId, LocationId), units: i64) {
        let new = json!({ "warehouse_id": at.0, "reason": "test", "lines": [{
            "product_id": product, "quantity": units.to_string(), "unit_cost": "1",
            "location_id": at.1
        }] });
        self.service.receive_stock(&ctx(), request(new)).await.expect("received");
    }

    async fn rule(&self, warehouse: WarehouseId, of: (&str, Value), location: LocationId) {
        let mut rule = json!({ "warehouse_id": warehouse, "location_id": location });
        rule[of.0] = of.1;
        self.service.create_put_away_rule(&ctx(), request(rule)).await.expect("made");
    }

    async fn category(&self, code: &str, parent_id: Option<CategoryId>) -> CategoryId {
        let new = json!({ "code": code, "name": code, "parent_id": parent_id });
        self.service.create_category(&ctx(), request(new)).await.expect("made");
        let sql = format!("SELECT * FROM categories WHERE code = '{code}'");
        self.find::<category::Model>(&sql).await.id
    }

    async fn product_of(&self, sku: &str, category_id: Option<CategoryId>) -> ProductId {
        let id = self.product(sku).await;
        let patch = request(json!({ "category_id": category_id }));
        self.service.update_product(&ctx(), id, patch).await.expect("changed");
        id
    }

    /// What is to be put where: product, lot and location.
    async fn suggested(&self) -> Vec<(ProductId, Option<LotId>, LocationId)> {
        let query = request(json!({}));
        let page = self.service.list_put_away_suggestions(&ctx(), query).await.expect("reads");
        let line = page.data.iter();
        line.map(|row| (row.product_id, row.lot_id, row.to_location_id)).collect()
    }
}

/// What a picking list holds is lost like anything else: the newest promise suffers, whoever is
/// picked for, and what is still promised is picked elsewhere.
#[tokio::test]
async fn what_is_picked_and_broken_is_taken_from_the_pick() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let location = bench.place(warehouse, "A", "stock").await;
    let other = bench.place(warehouse, "B", "stock").await;
    bench.put(product, (warehouse, location), 3).await;
    bench.put(product, (warehouse, other), 3).await;
    let gone = Gone { product, warehouse, location };
    let (old, line) = bench.ordered(product, warehouse, 3).await;
    let (new, _) = bench.ordered(product, warehouse, 2).await;
    let list = bench.pick(warehouse, &[old]).await.expect("listed");
    assert_eq!(list["lines"][0]["location_id"], json!(location));

    assert_eq!(code(bench.lose(&gone, 2, false).await), "insufficient_stock");
    bench.lose(&gone, 2, true).await.expect("they are broken");
    bench.assert_lawful().await;
    assert_eq!(bench.lies().await, lies(&[("A", "", 1), ("B", "", 3)]));
    let broken = bench.published::<ReservationBroken>().await;
    let broken: Vec<_> =
        broken.iter().map(|event| (event.order_id, event.lines[0].quantity)).collect();
    assert_eq!(broken, [(new, q(1))], "one of six was free");
    // One of three is left on the list, and the others are listed anew, where there are some.
    assert_eq!(bench.status(&list).await, PickingStatus::Open);
    let more = bench.pick(warehouse, &[old]).await.expect("two are to be found elsewhere");
    let lines = &more["lines"];
    assert_eq!((&lines[0]["quantity"], &lines[0]["location_id"]), (&json!("2"), &json!(other)));
    assert_eq!(lines.as_array().map(Vec::len), Some(1));

    bench.lose(&gone, 1, true).await.expect("the last of it");
    bench.assert_lawful().await;
    assert_eq!(bench.status(&list).await, PickingStatus::Cancelled, "nothing of it is left");
    assert_eq!(code(bench.lose(&gone, 1, true).await), "insufficient_stock");
    bench.ship(old, &[(line, 3)]).await.expect("heard");
    assert_eq!(bench.level(product, warehouse).await, (0, 0, 2, 0));
    bench.assert_lawful().await;
}

/// Of several that hold the same, the newest promise gives up first.
#[tokio::test]
async fn the_newest_promise_gives_up_its_pick_first() {
    let bench = Bench::new().await;
    let (product, warehouse) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let location = bench.place(warehouse, "A", "stock").await;
    let other = bench.place(warehouse, "B", "stock").await;
    bench.put(product, (warehouse, location), 4).await;
    bench.put(product, (warehouse, other), 9).await;
    let (old, _) = bench.ordered(product, warehouse, 2).await;
    let (new, _) = bench.ordered(product, warehouse, 2).await;
    // Listed in the other order.
    let of_new = bench.pick(warehouse, &[new]).await.expect("listed");
    let of_old = bench.pick(warehouse, &[old]).await.expect("listed");
    let lines = json!([{ "position": 1, "picked": "2" }]);
    bench.picked(&of_new, lines).await.expect("picked");
    let gone = Gone { product, warehouse, location };
    bench.lose(&gone, 2, true).await.expect("they are broken");
    assert_eq!(bench.published::<ReservationBroken>().await.len(), 0, "there are others");
    let again = bench.pick(warehouse, &[old, new]).await.expect("listed anew");
    let lines = &again["lines"];
    assert_eq!((&lines[0]["order_id"], &lines[0]["quantity"]), (&json!(new), &json!("2")));
    assert_eq!(lines.as_array().map(Vec::len), Some(1));
    assert_eq!(bench.status(&of_old).await, PickingStatus::Open);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_rule_of_a_category_is_one_of_those_below_it() {
    let bench = Bench::new().await;
    let warehouse = bench.warehouse("W").await;
    bench.place(warehouse, "DOCK", "input").await;
    let (all, cold) = (
        bench.place(warehouse, "ALL", "stock").await,
        bench.place(warehouse, "COLD", "stock").await,
    );
    let (frozen, own) = (
        bench.place(warehouse, "FROZEN", "stock").await,
        bench.place(warehouse, "OWN", "stock").await,
    );
    let food = bench.category("FOOD", None).await;
    let dairy = bench.category("DAIRY", Some(food)).await;
    let ice = bench.category("ICE", Some(dairy)).await;
    let sorbet = bench.category("SORBET", Some(ice)).await;
    bench.rule(warehouse, ("product_id", Value::Null), all).await;
    bench.rule(warehouse, ("category_id", json!(food)), cold).await;
    bench.rule(warehouse, ("category_id", json!(ice)), frozen).await;
    let mut expected = Vec::new();
    for (sku, category, to) in [
        ("NAIL", None, all),
        ("BREAD", Some(food), cold),
        ("MILK", Some(dairy), cold),
        ("CONE", Some(ice), frozen),
        ("LEMON", Some(sorbet), frozen),
        ("CAKE", Some(sorbet), own),
    ] {
        let product = bench.product_of(sku, category).await;
        if to == own {
            bench.rule(warehouse, ("product_id", json!(product)), own).await;
        }
        bench.receive(product, warehouse, 1, "1").await;
        expected.push((product, None, to));
    }
    let mut suggested = bench.suggested().await;
    suggested.sort_by_key(|row| row.0);
    expected.sort_by_key(|row| row.0);
    assert_eq!(suggested, expected);
    // Without a dock it arrives there at once.
    let shop = bench.warehouse("S").await;
    let fridge = bench.place(shop, "FRIDGE", "stock").await;
    bench.rule(shop, ("category_id", json!(food)), fridge).await;
    bench.receive(expected[4].0, shop, 7, "1").await;
    assert!(bench.lies().await.contains(&(Some("FRIDGE".into()), None, 7)));
}

#[tokio::test]
async fn nothing_is_put_where_it_is_nor_sold_goods_beside_what_is_held_back() {
    let bench = Bench::new().await;
    let warehouse = bench.warehouse("W").await;
    let dock = bench.place(warehouse, "DOCK", "input").await;
    let shelf = bench.place(warehouse, "SHELF", "stock").await;
    let (stays, milk) = (bench.product("PALLET").await, bench.tracked("MILK", "lot").await);
    bench.rule(warehouse, ("product_id", Value::Null), shelf).await;
    bench.rule(warehouse, ("product_id", json!(stays)), dock).await;
    bench.receive(stays, warehouse, 1, "1").await;
    let lots = [("GOOD", 1, None), ("ODD", 1, None), ("BAD", 1, None)];
    bench.receive_lots(milk, warehouse, &lots).await.expect("received");
    assert_eq!(bench.suggested().await.len(), 3, "the pallet is where it is to be");
    bench.block("ODD", LotStatus::Quarantined, false).await.expect("blocked");
    bench.block("BAD", LotStatus::Recalled, false).await.expect("recalled");
    let suggested = bench.suggested().await;
    assert_eq!(suggested, [(milk, Some(bench.lot("GOOD").await.id), shelf)]);
    bench.block("ODD", LotStatus::Active, false).await.expect("released");
    assert_eq!(bench.suggested().await.len(), 2);
    bench.assert_lawful().await;
}

/// Nothing came and nothing is lost: nothing is to be written down.
#[tokio::test]
async fn a_transfer_is_not_received_by_nothing() {
    let bench = Bench::new().await;
    let (product, main) = (bench.product("A").await, bench.warehouse("W").await);
    let (other, shop) = (bench.product("B").await, bench.warehouse("S").await);
    for product in [product, other] {
        bench.receive(product, main, 5, "1").await;
    }
    let line = |product: ProductId| json!({ "product_id": product, "quantity": "5" });
    let new = json!({
        "from_warehouse_id": main, "to_warehouse_id": shop, "lines": [line(product), line(other)]
    });
    bench.service.ship_transfer(&ctx(), request(new)).await.expect("shipped");
    let sql = "SELECT * FROM transfers";
    let transfer: crate::entities::transfer::Model = bench.find(sql).await;
    let receive = async |lines: Value| {
        let received = request(json!({ "lines": lines }));
        bench.service.receive_transfer(&ctx(), transfer.id, received).await.map(drop)
    };
    for lines in [
        json!([{ "product_id": product }]),
        json!([{ "product_id": product, "received": "0" }, { "product_id": other, "lost": "0" }]),
    ] {
        let error = receive(lines).await.expect_err("nothing");
        assert_eq!((error.status(), error.code()), (422, "quantity_not_positive"));
        assert_eq!(error.fields()[0].pointer, "/lines/0/received");
    }
    let still: crate::entities::transfer::Model = bench.find(sql).await;
    assert_eq!(still.version, transfer.version);
    let lines =
        json!([{ "product_id": product, "received": "0" }, { "product_id": other, "lost": "1" }]);
    receive(lines).await.expect("one is lost");
    bench.assert_lawful().await;
}
