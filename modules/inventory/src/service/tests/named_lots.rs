//! Lots and serial numbers that work names: what is transferred and what is picked.

use contracts::ids::{OrderId, ProductId, WarehouseId};
use kernel::Result;
use serde_json::{Value, json};
use uuid::Uuid;

use super::bench::{Bench, ctx, q, request, statements};
use super::lots::{code, lies};
use crate::entities::lot::LotStatus;
use crate::entities::{stock_move, transfer};

/// So much of each lot, as a line names it.
pub(super) fn named(lots: &[(&str, i64)]) -> Value {
    let lot =
        |(number, units): &(&str, i64)| json!({ "number": number, "quantity": units.to_string() });
    lots.iter().map(lot).collect()
}

impl Bench {
    /// Sends units of lots, or whichever if none are named.
    pub(super) async fn send(
        &self,
        product: ProductId,
        [from, to]: [WarehouseId; 2],
        units: i64,
        lots: &[(&str, i64)],
    ) -> Result<Uuid> {
        let lines = [json!({
            "product_id": product, "quantity": units.to_string(), "lots": named(lots)
        })];
        let new = json!({ "from_warehouse_id": from, "to_warehouse_id": to, "lines": lines });
        self.service.ship_transfer(&ctx(), request(new)).await?;
        let sql = "SELECT * FROM transfers ORDER BY id DESC LIMIT 1";
        Ok(self.find::<transfer::Model>(sql).await.id)
    }

    pub(super) async fn arrive(
        &self,
        transfer: Uuid,
        product: ProductId,
        [received, lost]: [i64; 2],
        lots: &[(&str, i64)],
    ) -> Result<()> {
        let lines = [json!({
            "product_id": product, "received": received.to_string(), "lost": lost.to_string(),
            "lots": named(lots)
        })];
        let receive = request(json!({ "lines": lines }));
        self.service.receive_transfer(&ctx(), transfer, receive).await.map(drop)
    }

    /// What lies in one warehouse: lots, and how many units of each.
    pub(super) async fn lots_in(&self, warehouse: WarehouseId) -> Vec<(String, i64)> {
        self.lots_where("b.warehouse_id = $1", vec![warehouse.into()]).await
    }

    /// The same of one product.
    pub(super) async fn lots_at(&self, at: (ProductId, WarehouseId)) -> Vec<(String, i64)> {
        let values = vec![at.0.into(), at.1.into()];
        self.lots_where("b.product_id = $1 AND b.warehouse_id = $2", values).await
    }

    async fn lots_where(&self, condition: &str, values: Vec<sea_orm::Value>) -> Vec<(String, i64)> {
        #[derive(sea_orm::FromQueryResult)]
        struct Row {
            number: String,
            units: i64,
        }
        let sql = format!(
            "SELECT l.number, CAST(SUM(b.quantity) / 1000000 AS BIGINT) AS units \
             FROM bins b JOIN lots l ON l.id = b.lot_id \
             WHERE b.quantity > 0 AND {condition} GROUP BY l.number ORDER BY l.number"
        );
        let rows: Vec<Row> =
            kernel::db::query_all(self.service.db.read(), sql, values).await.expect("reads");
        rows.into_iter().map(|row| (row.number, row.units)).collect()
    }
}

pub(super) fn there(lots: &[(&str, i64)]) -> Vec<(String, i64)> {
    lots.iter().map(|(number, units)| (number.to_string(), *units)).collect()
}

/// A refusal: its code and where it points.
pub(super) fn refused<T>(result: Result<T>) -> (String, String) {
    let error = result.map(drop).expect_err("refused");
    let pointer = error.fields().first().map(|field| field.pointer.clone());
    (error.code().to_owned(), pointer.unwrap_or_default())
}

pub(super) fn at(code: &str, pointer: &str) -> (String, String) {
    (code.to_owned(), pointer.to_owned())
}

#[tokio::test]
async fn a_transfer_sends_the_lots_it_names_and_no_others() {
    let bench = Bench::new().await;
    let milk = bench.tracked("MILK", "lot").await;
    let ways = [bench.warehouse("W").await, bench.warehouse("S").await];
    let [main, shop] = ways;
    let all = [("SOON", 3, Some(9)), ("LATE", 5, Some(90))];
    bench.receive_lots(milk, main, &all).await.expect("received");
    // Two would go of what expires first.
    let sent = bench.send(milk, ways, 2, &[("LATE", 2)]).await.expect("sent");
    assert_eq!(bench.lots_in(main).await, there(&[("LATE", 3), ("SOON", 3)]));
    bench.arrive(sent, milk, [2, 0], &[]).await.expect("there");
    assert_eq!(bench.lots_in(shop).await, there(&[("LATE", 2)]));
    // Not said, what expires first goes as before; of one product, one line may say and one not.
    let both = json!({
        "from_warehouse_id": main, "to_warehouse_id": shop, "lines": [
            { "product_id": milk, "quantity": "1" },
            { "product_id": milk, "quantity": "2", "lots": named(&[("LATE", 1), ("SOON", 1)]) }
        ]
    });
    bench.service.ship_transfer(&ctx(), request(both)).await.expect("sent");
    assert_eq!(bench.lots_in(main).await, there(&[("LATE", 2), ("SOON", 1)]));
    bench.assert_lawful().await;
    // The trace says where the lot went.
    let late = bench.lot("LATE").await.id;
    let trace = bench.service.trace_lot(late, request(json!({}))).await.expect("there").data;
    let steps: Vec<_> = trace.iter().map(|step| step.quantity).collect();
    assert_eq!(steps, [q(5), q(2), q(2), q(2), q(2), q(1), q(1)]);
}

#[tokio::test]
async fn a_transfer_of_lots_that_are_not_to_be_had_is_refused_whole() {
    let bench = Bench::new().await;
    let (milk, phone) =
        (bench.tracked("MILK", "lot").await, bench.tracked("PHONE", "serial").await);
    let chair = bench.product("CHAIR").await;
    let ways = [bench.warehouse("W").await, bench.warehouse("S").await];
    let [main, shop] = ways;
    bench.receive(chair, main, 5, "1").await;
    let all = [("A", 5, None), ("B", 5, None), ("C", 5, None)];
    bench.receive_lots(milk, main, &all).await.expect("received");
    bench.receive_lots(phone, main, &[("S1", 1, None), ("S2", 1, None)]).await.expect("in");
    bench.receive_lots(phone, shop, &[("S3", 1, None)]).await.expect("in");
    bench.block("B", LotStatus::Quarantined, false).await.expect("blocked");
    bench.block("C", LotStatus::Recalled, false).await.expect("blocked");
    let check =
        async |product: ProductId, units: i64, lots: &[(&str, i64)], code: &str, pointer: &str| {
            let sent = bench.send(product, ways, units, lots).await;
            assert_eq!(refused(sent), at(code, &format!("/lines/0/{pointer}")), "{lots:?}");
        };
    check(chair, 1, &[("A", 1)], "lots_not_tracked", "lots").await;
    check(milk, 2, &[("A", 1)], "lots_do_not_add_up", "lots").await;
    check(milk, 2, &[("A", 1), ("X", 1)], "unknown_lot", "lots/1/number").await;
    // The number of another product.
    check(milk, 1, &[("S1", 1)], "unknown_lot", "lots/0/number").await;
    check(milk, 1, &[("B", 1)], "lot_blocked", "lots/0/number").await;
    check(milk, 1, &[("C", 1)], "lot_blocked", "lots/0/number").await;
    check(phone, 2, &[("S1", 2)], "serial_of_many", "lots/0/quantity").await;
    check(phone, 2, &[("S1", 1), ("S1", 1)], "duplicate_serial", "lots/1/number").await;
    check(phone, 1, &[("S3", 1)], "insufficient_lot", "lots/0/quantity").await;
    // Of a lot of which a picking list has some, the rest is free.
    let (order, _) = bench.ordered(milk, main, 2).await;
    bench.pick(main, &[order]).await.expect("listed");
    bench.receive_lots(milk, main, &[("D", 9, None)]).await.expect("received");
    check(milk, 4, &[("A", 4)], "insufficient_lot", "lots/0/quantity").await;
    assert_eq!(bench.lots_in(main).await[0], ("A".to_owned(), 5), "nothing has left");
    bench.send(milk, ways, 3, &[("A", 3)]).await.expect("sent");
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_arrives_of_a_transfer_is_what_is_named() {
    let bench = Bench::new().await;
    let (phone, milk) =
        (bench.tracked("PHONE", "serial").await, bench.tracked("MILK", "lot").await);
    let ways = [bench.warehouse("W").await, bench.warehouse("S").await];
    let [main, shop] = ways;
    let all = [("S1", 1, None), ("S2", 1, None), ("S3", 1, None), ("S4", 1, None)];
    bench.receive_lots(phone, main, &all).await.expect("in");
    let sent = bench.send(phone, ways, 3, &[("S4", 1), ("S2", 1), ("S3", 1)]).await.expect("sent");
    assert_eq!(bench.lots_in(main).await, there(&[("S1", 1)]));
    let not_sent = bench.arrive(sent, phone, [1, 0], &[("S1", 1)]).await;
    assert_eq!(refused(not_sent), at("insufficient_lot", "/lines/0/lots/0/quantity"));
    let unknown = bench.arrive(sent, phone, [1, 0], &[("S9", 1)]).await;
    assert_eq!(refused(unknown), at("unknown_lot", "/lines/0/lots/0/number"));
    bench.arrive(sent, phone, [1, 1], &[("S3", 1)]).await.expect("one is here, one is lost");
    assert_eq!(bench.lots_in(shop).await, there(&[("S3", 1)]));
    let again = bench.arrive(sent, phone, [1, 0], &[("S3", 1)]).await;
    assert_eq!(refused(again), at("insufficient_lot", "/lines/0/lots/0/quantity"));
    bench.assert_lawful().await;

    // What is recalled on its way still arrives, and of two transfers each its own.
    bench.receive_lots(milk, main, &[("A", 5, None), ("B", 2, None)]).await.expect("in");
    let first = bench.send(milk, ways, 4, &[("A", 2), ("B", 2)]).await.expect("sent");
    let second = bench.send(milk, ways, 3, &[("A", 3)]).await.expect("sent");
    bench.block("A", LotStatus::Recalled, false).await.expect("recalled");
    bench.arrive(first, milk, [2, 2], &[]).await.expect("there");
    assert_eq!(bench.lots_in(shop).await, there(&[("A", 2), ("S3", 1)]), "what is lost is of B");
    bench.arrive(second, milk, [3, 0], &[("A", 3)]).await.expect("there");
    assert_eq!(bench.lots_in(shop).await, there(&[("A", 5), ("S3", 1)]));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn naming_lots_costs_two_statements_however_many() {
    let bench = Bench::new().await;
    let phone = bench.tracked("PHONE", "serial").await;
    let ways = [bench.warehouse("W").await, bench.warehouse("S").await];
    let numbers: Vec<_> = (0..40).map(|n| format!("S{n:02}")).collect();
    let lots: Vec<_> = numbers.iter().map(|number| (number.as_str(), 1, None)).collect();
    bench.receive_lots(phone, ways[0], &lots).await.expect("in");
    bench.send(phone, ways, 1, &[("S39", 1)]).await.expect("sent, and there is a place in transit");
    let (sent, plain) = statements(bench.send(phone, ways, 2, &[])).await;
    sent.expect("sent");
    let some: Vec<_> = numbers[10..30].iter().map(|number| (number.as_str(), 1)).collect();
    let (sent, named) = statements(bench.send(phone, ways, 20, &some)).await;
    sent.expect("sent");
    assert_eq!(named - plain, 2, "the lots, and where they lie");
}

fn lines(list: &Value) -> Vec<(Value, Value)> {
    let lines = list["lines"].as_array().expect("lines");
    lines.iter().map(|line| (line["quantity"].clone(), line["picked"].clone())).collect()
}

#[tokio::test]
async fn what_was_really_picked_is_what_leaves() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench.place(main, "OUT", "output").await;
    let all = [("SOON", 4, Some(9)), ("LATE", 4, Some(90))];
    bench.receive_lots(milk, main, &all).await.expect("received");
    let (order, line) = bench.ordered(milk, main, 4).await;
    let list = bench.pick(main, &[order]).await.expect("listed");
    assert_eq!(lines(&list), [(json!("4"), Value::Null)]);
    let taken = json!([{
        "position": 1, "picked": "3", "lots": named(&[("LATE", 1), ("SOON", 2)])
    }]);
    bench.picked(&list, taken).await.expect("picked");
    let id = list["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let shown = bench.service.picking_list(id).await.expect("there");
    let (soon, late) = (bench.lot("SOON").await.id, bench.lot("LATE").await.id);
    let of: Vec<_> = shown
        .lines
        .iter()
        .map(|line| (line.position, line.lot_id, line.quantity, line.picked))
        .collect();
    let expected = [(1, Some(soon), q(3), Some(q(2))), (2, Some(late), q(1), Some(q(1)))];
    assert_eq!(of, expected, "one was not there, and one was of another lot");
    assert_eq!(
        bench.lies().await,
        lies(&[("", "LATE", 3), ("", "SOON", 2), ("OUT", "LATE", 1), ("OUT", "SOON", 2)])
    );
    bench.assert_lawful().await;
    bench.ship(order, &[(line, 3)]).await.expect("heard");
    assert_eq!(bench.lies().await, lies(&[("", "LATE", 3), ("", "SOON", 2)]));
    let shipped: stock_move::Model =
        bench.find("SELECT * FROM stock_moves WHERE kind = 'issue'").await;
    let lots = bench.service.move_lots(shipped.id).await.expect("there").lots;
    let lots: Vec<_> = lots.iter().map(|lot| (lot.lot_id, lot.quantity.micros())).collect();
    let of = |id, units: i64| (Some(id), -q(units).micros());
    let mut expected = [of(soon, 2), of(late, 1)];
    expected.sort();
    assert_eq!(lots, expected);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn serial_numbers_may_be_exchanged_while_they_are_picked() {
    let bench = Bench::new().await;
    let (phone, main) = (bench.tracked("PHONE", "serial").await, bench.warehouse("W").await);
    let all = [("S1", 1, None), ("S2", 1, None), ("S3", 1, None), ("S4", 1, None)];
    bench.receive_lots(phone, main, &all).await.expect("in");
    let (order, line) = bench.ordered(phone, main, 2).await;
    let (other, others) = bench.ordered(phone, main, 1).await;
    let list = bench.pick(main, &[order]).await.expect("listed");
    bench.pick(main, &[other]).await.expect("S3 is listed for it");
    let of = |position: u32, number: &str| json!({ "position": position, "picked": "1", "lots": named(&[(number, 1)]) });
    let held = bench.picked(&list, json!([of(1, "S3")])).await;
    assert_eq!(refused(held), at("insufficient_lot", "/lines/0/lots/0/quantity"));
    let twice = bench.picked(&list, json!([of(1, "S4"), of(2, "S4")])).await;
    assert_eq!(refused(twice), at("duplicate_serial", "/lines/1/lots/0/number"));
    // One for the other, and one that nobody had listed.
    bench.picked(&list, json!([of(1, "S2"), of(2, "S4")])).await.expect("picked");
    bench.assert_lawful().await;
    bench.ship(order, &[(line, 2)]).await.expect("heard");
    assert_eq!(bench.lots_in(main).await, there(&[("S1", 1), ("S3", 1)]));
    bench.ship(other, &[(others, 1)]).await.expect("heard");
    assert_eq!(bench.lots_in(main).await, there(&[("S1", 1)]));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn what_is_shipped_before_it_is_said_to_be_picked_was_of_the_lot_that_was_listed() {
    let bench = Bench::new().await;
    let (milk, main) = (bench.tracked("MILK", "lot").await, bench.warehouse("W").await);
    bench.receive_lots(milk, main, &[("A", 4, Some(9)), ("B", 4, Some(90))]).await.expect("in");
    let (order, line) = bench.ordered(milk, main, 4).await;
    let list = bench.pick(main, &[order]).await.expect("listed");
    bench.ship(order, &[(line, 1)]).await.expect("heard");
    let taken = json!([{ "position": 1, "picked": "4", "lots": named(&[("B", 2), ("A", 2)]) }]);
    bench.picked(&list, taken).await.expect("picked");
    bench.assert_lawful().await;
    bench.ship(order, &[(line, 3)]).await.expect("heard");
    assert_eq!(bench.lots_in(main).await, there(&[("A", 2), ("B", 2)]));
    bench.assert_lawful().await;
}

#[tokio::test]
async fn lots_that_are_not_to_be_had_are_not_picked() {
    let bench = Bench::new().await;
    let (milk, phone) =
        (bench.tracked("MILK", "lot").await, bench.tracked("PHONE", "serial").await);
    let (chair, main) = (bench.product("CHAIR").await, bench.warehouse("W").await);
    let shop = bench.warehouse("S").await;
    bench.receive(chair, main, 5, "1").await;
    bench.receive_lots(milk, main, &[("A", 5, None), ("B", 1, None)]).await.expect("in");
    bench.receive_lots(phone, main, &[("S1", 1, None)]).await.expect("in");
    bench.receive_lots(phone, shop, &[("S2", 1, None)]).await.expect("in");
    bench.block("B", LotStatus::Quarantined, false).await.expect("blocked");
    let check = async |product: ProductId,
                       picked: &str,
                       lots: &[(&str, i64)],
                       code: &str,
                       pointer: &str| {
        let (order, _) = bench.ordered(product, main, 1).await;
        let list = bench.pick(main, &[order]).await.expect("listed");
        let taken = json!([{ "position": 1, "picked": picked, "lots": named(lots) }]);
        let refusal = refused(bench.picked(&list, taken).await);
        assert_eq!(refusal, at(code, &format!("/lines/0/lots{pointer}")), "{lots:?}");
        bench.cancel(order).await.expect("heard");
    };
    check(chair, "1", &[("A", 1)], "lots_not_tracked", "").await;
    check(milk, "1", &[("A", 2)], "lots_do_not_add_up", "").await;
    check(milk, "0", &[("A", 1)], "lots_do_not_add_up", "").await;
    check(milk, "1", &[("X", 1)], "unknown_lot", "/0/number").await;
    check(milk, "1", &[("B", 1)], "lot_blocked", "/0/number").await;
    check(phone, "1", &[("S2", 1)], "insufficient_lot", "/0/quantity").await;
    bench.assert_lawful().await;
    assert_eq!(code(bench.pick(main, &[OrderId::new()]).await.map(drop)), "nothing_to_pick");
}
