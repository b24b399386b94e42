//! What stock cannot hold is known before its arrival stands.

use contracts::ids::{OrderId, OrderLineId, ProductId, WarehouseId};
use contracts::inventory::{ArrivingLine, CheckFit, Inventory};
use kernel::Result;

use super::bench::{Bench, ctx, q, statements};

fn line(product_id: ProductId, units: i64, unit_cost: Option<&str>) -> ArrivingLine {
    let unit_cost = unit_cost.map(|cost| cost.parse().expect("a price"));
    ArrivingLine { product_id, quantity: q(units), unit_cost, order_line_id: None }
}

impl Bench {
    async fn too_large(&self, to: WarehouseId, lines: Vec<ArrivingLine>) -> Vec<usize> {
        let request = CheckFit { warehouse_id: to, lines };
        self.service.check_fit(&ctx(), request).await.expect("reads").too_large
    }
}

/// What does not fit is what an event of its arrival could not be applied for.
#[tokio::test]
async fn what_is_more_than_a_level_can_hold_is_told_line_by_line() {
    let bench = Bench::new().await;
    let (main, shop) = (bench.warehouse("W").await, bench.warehouse("S").await);
    let (nail, ring) = (bench.product("NAIL").await, bench.product("RING").await);
    bench.receive(nail, main, 999_999_990, "0.01").await;
    let check = async |to, lines: &[(ProductId, i64, &str)], expected: &[usize]| {
        let asked = lines.iter().map(|(product, n, cost)| line(*product, *n, Some(cost)));
        assert_eq!(bench.too_large(to, asked.collect()).await, expected, "{lines:?}");
        let applied: Result<()> = bench.purchase(to, lines).await;
        assert_eq!(applied.is_ok(), expected.is_empty(), "{lines:?}");
    };
    check(main, &[(nail, 5, "1"), (nail, 4, "1"), (ring, 1, "1"), (nail, 1, "1")], &[3]).await;
    check(main, &[(nail, 10, "1")], &[0]).await;
    check(main, &[(nail, 5, "1"), (nail, 4, "1")], &[]).await;
    check(shop, &[(nail, 999_999_999, "0.01")], &[]).await;
    // Few enough, and worth more than an amount can be.
    check(shop, &[(ring, 999_999_999, "999999999")], &[0]).await;
    assert!(bench.too_large(main, vec![line(ProductId::new(), 1, None)]).await.is_empty());
    assert!(bench.too_large(main, Vec::new()).await.is_empty());
    bench.assert_lawful().await;
}

#[tokio::test]
async fn of_a_kit_that_comes_back_its_parts_have_to_fit() {
    let bench = Bench::new().await;
    let (main, leg) = (bench.warehouse("W").await, bench.product("LEG").await);
    let table = bench.kit("TABLE", &[(leg, "4")]).await;
    bench.receive(leg, main, 8, "1").await;
    let (order, sold) = (OrderId::new(), bench.line(table, main));
    bench.reserve(order, &[(sold, 2)], false).await.expect("there");
    bench.confirm(order, &[(sold, 2, 0)]).await.expect("heard");
    bench.ship(order, &[(sold, 2)]).await.expect("heard");
    bench.receive(leg, main, 999_999_993, "0.01").await;
    let back = |units| ArrivingLine { order_line_id: Some(sold.id), ..line(table, units, None) };
    assert_eq!(bench.too_large(main, vec![back(1), back(1)]).await, [1]);
    bench.take_back(order, &[(sold, 2, true)]).await.expect_err("eight legs do not fit");
    bench.take_back(order, &[(sold, 1, true)]).await.expect("four do");
    // Nothing of a line that is not known is a kit.
    let other = ArrivingLine { order_line_id: Some(OrderLineId::new()), ..line(leg, 3, None) };
    assert_eq!(bench.too_large(main, vec![other]).await, [0]);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn asking_for_a_thousand_lines_costs_as_many_statements_as_for_one() {
    let bench = Bench::new().await;
    let main = bench.warehouse("W").await;
    let mut lines = Vec::new();
    for i in 0..100 {
        let product = bench.product(&format!("P{i}")).await;
        let line = line(product, 1, None);
        lines.extend((0..10).map(|_| line.clone()));
    }
    let ask =
        async |lines: &[ArrivingLine]| statements(bench.too_large(main, lines.to_vec())).await.1;
    assert_eq!((ask(&lines[..1]).await, ask(&lines).await), (1, 1));
}
