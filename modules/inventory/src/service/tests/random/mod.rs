//! Random commands, with a copy of what orders and billing would know: after each one no
//! law is broken, every confirmed order has what it was told, and the value of the stock
//! is what the events have told billing, to the cent (V-2).

mod command;
mod heard;
mod lots;
mod negative;

use std::collections::BTreeMap;

use chrono::{Days, Duration, NaiveDate, Utc};
use contracts::ids::{OrderId, OrderLineId, ProductId, PurchaseOrderLineId, WarehouseId};
use contracts::inventory::Release;
use kernel::quantity::Quantity;
use kernel::{Error, Result};
use proptest::prelude::*;
use sea_orm::FromQueryResult;
use serde_json::json;

use self::command::{Command, command};
use super::bench::{Bench, Line, ctx, in_an_hour, q, request};
use crate::entities::reservation;

/// What orders knows of a line, in units.
struct KnownLine {
    line: Line,
    reserved: i64,
    backordered: i64,
    promised_on: Option<NaiveDate>,
    shipped: i64,
    returned: i64,
}

struct KnownOrder {
    id: OrderId,
    is_confirmed: bool,
    is_over: bool,
    lines: Vec<KnownLine>,
}

struct World {
    bench: Bench,
    /// Of two products in two warehouses; then, of two kits that share a part.
    items: Vec<(ProductId, WarehouseId)>,
    orders: Vec<KnownOrder>,
    /// Cents billing has booked on its account of inventory.
    booked: i64,
    heard: i64,
}

/// What may be said to an adjustment that is drawn at random.
const ADJUSTED: &[&str] =
    &["insufficient_stock", "quantity_zero", "unit_cost_required", "cost_unknown"];

/// Not enough of something is an answer; anything else is a mistake.
fn allow_refusal<T>(result: Result<T>, codes: &[&str]) -> Option<T> {
    let refuse = |error: Error| {
        assert!(codes.contains(&error.code()), "{error:?}");
        None
    };
    result.map_or_else(refuse, Some)
}

impl World {
    /// With products valued as `costing` says, tracked as `tracking` does, and locations or none
    /// in one warehouse.
    async fn new(costing: [&str; 2], tracking: [&str; 2], has_locations: bool) -> Self {
        let bench = Bench::new().await;
        let products = [
            bench.made("A", costing[0], tracking[0]).await,
            bench.made("B", costing[1], tracking[1]).await,
        ];
        let warehouses = [bench.warehouse("W").await, bench.warehouse("X").await];
        if has_locations {
            bench.place(warehouses[0], "IN", "input").await;
            bench.place(warehouses[0], "A-1", "stock").await;
        }
        let kits = [
            bench.kit("K", &[(products[0], "2"), (products[1], "1")]).await,
            bench.kit("L", &[(products[0], "1")]).await,
        ];
        // Where there are no locations, of what has no lots.
        bench.allow_negative(warehouses[1], true).await.expect("it has no locations");
        for (product, tracking) in products.iter().zip(tracking) {
            if tracking == "none" {
                bench.set_negative(*product, "inherit").await.expect("it has no lots");
            }
        }
        let items =
            products.iter().chain(&kits).flat_map(|p| warehouses.map(|w| (*p, w))).collect();
        World { bench, items, orders: Vec::new(), booked: 0, heard: 0 }
    }

    fn pick(&self, pick: usize, wanted: impl Fn(&KnownOrder) -> bool) -> Option<usize> {
        let orders: Vec<_> = (0..self.orders.len()).filter(|i| wanted(&self.orders[*i])).collect();
        (!orders.is_empty()).then(|| orders[pick % orders.len()])
    }

    async fn run(&mut self, command: Command) {
        match command {
            Command::Receive { item, units, cents } => {
                let (product, warehouse) = self.items[item];
                self.bench.receive(product, warehouse, units, &price(cents)).await;
            }
            Command::Purchase { items, cents } => {
                let (_, warehouse) = self.items[items[0].0];
                let cost = price(cents);
                let lines: Vec<_> =
                    items.iter().map(|(i, n)| (self.items[*i].0, *n, cost.as_str())).collect();
                self.bench.purchase(warehouse, &lines).await.expect("heard");
            }
            Command::Adjust { item, units } => {
                let (product, warehouse) = self.items[item];
                let adjusted = self.bench.adjust(product, warehouse, &units.to_string()).await;
                allow_refusal(adjusted, ADJUSTED);
            }
            Command::Reverse { pick } => {
                let moves = self.bench.moves().await;
                if !moves.is_empty() {
                    let why = request(json!({ "reason": "test" }));
                    let id = moves[pick % moves.len()].id;
                    let reversed = self.bench.service.reverse_move(&ctx(), id, why).await;
                    let codes = [
                        "not_reversible",
                        "already_reversed",
                        "insufficient_stock",
                        "value_moved",
                        "serial_on_hand",
                    ];
                    allow_refusal(reversed, &codes);
                }
            }
            Command::Shrink { item, units } => {
                let (product, warehouse) = self.items[item];
                let gone = json!({
                    "warehouse_id": warehouse, "product_id": product, "reason": "gone",
                    "quantity": (-units).to_string(), "break_reservations": true
                });
                let adjusted = self.bench.service.adjust_stock(&ctx(), request(gone)).await;
                allow_refusal(adjusted, ADJUSTED);
            }
            Command::Transfer { item, units } => {
                // The other warehouse's item of the same product is its neighbour.
                let ((product, from), (_, to)) = (self.items[item], self.items[item ^ 1]);
                let new = json!({
                    "from_warehouse_id": from, "to_warehouse_id": to,
                    "lines": [{ "product_id": product, "quantity": units.to_string() }]
                });
                let shipped = self.bench.service.ship_transfer(&ctx(), request(new)).await;
                allow_refusal(shipped, &["insufficient_stock"]);
            }
            Command::Arrive { pick, units, is_lost } => {
                let sql = "SELECT * FROM transfer_lines ORDER BY id";
                let db = self.bench.service.db.read();
                let rows: Vec<crate::entities::transfer_line::Model> =
                    kernel::db::query_all(db, sql, vec![]).await.expect("reads");
                if !rows.is_empty() {
                    let row = &rows[pick % rows.len()];
                    let field = if is_lost { "lost" } else { "received" };
                    let line = json!({ "product_id": row.product_id, field: units.to_string() });
                    let lines = request(json!({ "lines": [line] }));
                    let service = &self.bench.service;
                    let arrived = service.receive_transfer(&ctx(), row.transfer_id, lines).await;
                    allow_refusal(arrived, &["transfer_over", "more_than_shipped"]);
                }
            }
            Command::Count { item, units, meanwhile } => self.count(item, units, meanwhile).await,
            Command::LandCost { pick, cents } => {
                let moves = self.bench.moves().await;
                if !moves.is_empty() {
                    let amount = format!("{}.{:02}", cents / 100, cents % 100);
                    let cost = json!({
                        "source_id": moves[pick % moves.len()].source_id, "reason": "test",
                        "amount": { "amount": amount, "currency": "EUR" }, "basis": "value"
                    });
                    let added = self.bench.service.add_landed_cost(&ctx(), request(cost)).await;
                    allow_refusal(added, &["unknown_receipt"]);
                }
            }
            Command::Reserve { items, allow_backorder, is_late } => {
                let id = OrderId::new();
                let lines: Vec<_> = items
                    .iter()
                    .map(|(item, units)| {
                        let (product, warehouse) = self.items[*item];
                        (self.bench.line(product, warehouse), *units)
                    })
                    .collect();
                let until = if is_late { Utc::now() } else { in_an_hour() };
                let reserved = self.bench.reserve_until(id, &lines, allow_backorder, until).await;
                if let Some(reserved) = allow_refusal(reserved, &["insufficient_stock"]) {
                    let lines = lines.iter().zip(&reserved.lines).map(|((line, asked), got)| {
                        assert_eq!(got.line_id, line.id);
                        let (reserved, backordered) = (units(got.reserved), units(got.backordered));
                        assert_eq!(reserved + backordered, *asked);
                        assert!(allow_backorder || backordered == 0);
                        let promised_on = got.promised_on;
                        let (shipped, returned) = (0, 0);
                        KnownLine {
                            line: *line,
                            reserved,
                            backordered,
                            promised_on,
                            shipped,
                            returned,
                        }
                    });
                    let lines = lines.collect();
                    self.orders.push(KnownOrder { id, is_confirmed: false, is_over: false, lines });
                }
            }
            Command::ReserveAgain { pick, allow_backorder } => {
                let Some(i) = self.pick(pick, |o| !o.is_confirmed && !o.is_over) else { return };
                let order = &mut self.orders[i];
                let lines: Vec<_> =
                    order.lines.iter().map(|l| (l.line, l.reserved + l.backordered)).collect();
                let again = self.bench.reserve(order.id, &lines, allow_backorder).await;
                match allow_refusal(again, &["insufficient_stock"]) {
                    Some(reserved) => {
                        for (line, got) in order.lines.iter_mut().zip(reserved.lines) {
                            line.reserved = units(got.reserved);
                            line.backordered = units(got.backordered);
                            line.promised_on = got.promised_on;
                        }
                    }
                    None => order.is_over = true,
                }
            }
            Command::Release { pick } => {
                let Some(i) = self.pick(pick, |o| !o.is_confirmed) else { return };
                let release = Release { order_id: self.orders[i].id };
                self.bench.service.release_order(&ctx(), release).await.expect("released");
            }
            Command::Confirm { pick } => {
                let Some(i) = self.pick(pick, |o| !o.is_confirmed && !o.is_over) else { return };
                let order = &mut self.orders[i];
                order.is_confirmed = true;
                let lines: Vec<_> =
                    order.lines.iter().map(|l| (l.line, l.reserved, l.backordered)).collect();
                self.bench.confirm(order.id, &lines).await.expect("heard");
            }
            Command::Cancel { pick } => {
                let shipped = |o: &KnownOrder| o.lines.iter().any(|l| l.shipped > 0);
                let Some(i) = self.pick(pick, |o| o.is_confirmed && !shipped(o)) else { return };
                let order = &mut self.orders[i];
                order.is_over = true;
                for line in &mut order.lines {
                    (line.reserved, line.backordered) = (0, 0);
                }
                self.bench.cancel(order.id).await.expect("heard");
            }
            Command::CancelLine { pick, line, units } => {
                let Some(i) = self.pick(pick, |o| o.is_confirmed) else { return };
                let order = &mut self.orders[i];
                let line = line % order.lines.len();
                let line = &mut order.lines[line];
                let unbackordered = units.min(line.backordered);
                let released = (units - unbackordered).min(line.reserved);
                line.backordered -= unbackordered;
                line.reserved -= released;
                line.promised_on = line.promised_on.filter(|_| line.backordered > 0);
                let cancelled = [(line.line, released, unbackordered)];
                self.bench.cancel_lines(order.id, &cancelled).await.expect("heard");
            }
            Command::Ship { pick, units, meanwhile } => {
                let ready = |o: &KnownOrder| o.lines.iter().any(|l| l.reserved > 0);
                let Some(i) = self.pick(pick, |o| o.is_confirmed && ready(o)) else { return };
                let order = &mut self.orders[i];
                let mut lines = Vec::new();
                for line in order.lines.iter_mut().filter(|line| line.reserved > 0) {
                    let units = units.min(line.reserved);
                    line.reserved -= units;
                    line.shipped += units;
                    lines.push((line.line, units));
                }
                let id = order.id;
                // Inventory hears of it late: goods are found missing and lots blocked before.
                if let Some((item, units)) = meanwhile {
                    Box::pin(self.run(Command::Shrink { item, units })).await;
                    let block = Command::Block { pick, is_to_be: true, breaks: true };
                    Box::pin(self.run(block)).await;
                }
                self.bench.ship(id, &lines).await.expect("what has left is posted");
                if meanwhile.is_none() {
                    self.assert_fefo(id).await;
                }
            }
            Command::Return { pick, units, restock } => {
                let out = |l: &KnownLine| l.shipped > l.returned;
                let Some(i) = self.pick(pick, |o| o.lines.iter().any(out)) else { return };
                let order = &mut self.orders[i];
                let mut lines = Vec::new();
                for line in order.lines.iter().filter(|line| out(line)) {
                    let units = units.min(line.shipped - line.returned);
                    lines.push((line.line, units, restock));
                }
                self.bench.take_back(order.id, &lines).await.expect("what is back is taken in");
                for line in order.lines.iter_mut().filter(|line| out(line)) {
                    line.returned += units.min(line.shipped - line.returned);
                }
            }
            Command::Expect { item, units, days } => {
                let (product, warehouse) = self.items[item];
                let set = json!({
                    "product_id": product, "warehouse_id": warehouse,
                    "quantity": units.to_string(),
                    "expected_on": Utc::now().date_naive() + Days::new(days)
                });
                let id = PurchaseOrderLineId::new();
                let set = self.bench.service.set_expected_receipt(&ctx(), id, request(set)).await;
                set.expect("set");
            }
            Command::Promise { pick, days } => {
                let sql = "SELECT * FROM backorders WHERE status = 'open' ORDER BY id";
                let db = self.bench.service.db.read();
                let rows: Vec<crate::entities::backorder::Model> =
                    kernel::db::query_all(db, sql, vec![]).await.expect("reads");
                if !rows.is_empty() {
                    let on = Utc::now().date_naive() + Days::new(days);
                    let promise = request(json!({ "promised_on": on }));
                    let id = rows[pick % rows.len()].id;
                    let promised = self.bench.service.promise_backorder(&ctx(), id, promise).await;
                    allow_refusal(promised, &["order_not_confirmed"]);
                }
            }
            Command::Rule { item, days } => {
                let (product, warehouse) = self.items[item];
                let rule = json!({
                    "product_id": product, "warehouse_id": warehouse, "min": "1", "target": "2",
                    "lead_time_days": days
                });
                let made = self.bench.service.create_reorder_rule(&ctx(), request(rule)).await;
                allow_refusal(made, &["rule_exists"]);
            }
            Command::SetAside { item, units } => {
                let (product, warehouse) = self.items[item];
                let new = json!({
                    "product_id": product, "warehouse_id": warehouse, "note": "test",
                    "quantity": units.to_string(), "expires_at": Utc::now() + Duration::minutes(9)
                });
                let set_aside = self.bench.service.create_reservation(&ctx(), request(new)).await;
                allow_refusal(set_aside, &["insufficient_stock"]);
            }
            Command::PutBack { pick } => {
                let sql = "SELECT * FROM reservations ORDER BY id";
                let db = self.bench.service.db.read();
                let rows: Vec<reservation::Model> =
                    kernel::db::query_all(db, sql, vec![]).await.expect("reads");
                if !rows.is_empty() {
                    let id = rows[pick % rows.len()].id;
                    let released = self.bench.service.release_reservation(&ctx(), id).await;
                    allow_refusal(released, &["illegal_transition", "reservation_of_order"]);
                }
            }
            Command::Expire => self.bench.expire().await,
            Command::Oversell { .. }
            | Command::AllowNegative { .. }
            | Command::SetNegative { .. } => self.run_negative(command).await,
            other => self.run_lots(other).await,
        }
    }

    /// Counts so many more than there are, while stock goes on moving.
    async fn count(&self, item: usize, units: i64, meanwhile: i64) {
        let (product, warehouse) = self.items[item];
        let (on_hand, ..) = self.bench.level(product, warehouse).await;
        let counted = (on_hand + units).max(0).to_string();
        let line = json!({ "product_id": product, "quantity": counted });
        self.post_count(item, line, meanwhile).await;
    }

    /// Counts a product as a line says, and posts it after stock has moved.
    async fn post_count(&self, item: usize, line: serde_json::Value, meanwhile: i64) {
        let (product, warehouse) = self.items[item];
        let service = &self.bench.service;
        let new = json!({ "warehouse_id": warehouse, "product_ids": [product] });
        service.create_stock_count(&ctx(), request(new)).await.expect("begun");
        let sql = "SELECT * FROM stock_counts ORDER BY id DESC LIMIT 1";
        let id = self.bench.find::<crate::entities::stock_count::Model>(sql).await.id;
        let lines = json!({ "lines": [line] });
        service.record_counts(&ctx(), id, request(lines)).await.expect("recorded");
        let moved = self.bench.adjust(product, warehouse, &meanwhile.to_string()).await;
        allow_refusal(moved, ADJUSTED);
        service.step_stock_count(&ctx(), id, "submit").await.expect("complete");
        let mut other = ctx();
        other.actor.id = Some(uuid::Uuid::now_v7());
        let approved = service.approve_stock_count(&other, id).await;
        allow_refusal(approved, &["count_outdated", "unit_cost_required", "serial_on_hand"]);
    }

    async fn check(&self) {
        self.bench.assert_lawful().await;
        #[derive(FromQueryResult)]
        struct Held {
            order_line_id: OrderLineId,
            reserved: i64,
            backordered: i64,
            promised_on: Option<NaiveDate>,
        }
        #[derive(FromQueryResult)]
        struct Value {
            n: i64,
        }
        let sql = "SELECT CAST(COALESCE(SUM(value_minor - owed_minor), 0) AS BIGINT) AS n \
            FROM stock_levels";
        assert_eq!(self.bench.find::<Value>(sql).await.n, self.booked, "V-2");
        let sql = "SELECT order_line_id, CAST(SUM(reserved) AS BIGINT) AS reserved, \
            CAST(SUM(backordered) AS BIGINT) AS backordered, MAX(promised_on) AS promised_on FROM (\
            SELECT order_line_id, remaining AS reserved, 0 AS backordered, \
            CAST(NULL AS DATE) AS promised_on FROM reservations \
            WHERE order_id IS NOT NULL \
            UNION ALL SELECT order_line_id, 0, remaining, promised_on FROM backorders \
            WHERE status = 'open' \
            UNION ALL SELECT order_line_id, kits * 1000000, (whole - kits) * 1000000, \
            promised_on FROM (\
            SELECT p.order_line_id, MIN(COALESCE(r.remaining, 0) / p.per_kit) AS kits, \
            MIN((COALESCE(r.remaining, 0) + COALESCE(b.remaining, 0)) / p.per_kit) AS whole, \
            CASE WHEN COUNT(b.id) = COUNT(b.promised_on) THEN MAX(b.promised_on) END \
            AS promised_on \
            FROM kit_parts p LEFT JOIN reservations r \
            ON r.order_line_id = p.id AND r.status = 'active' LEFT JOIN backorders b \
            ON b.order_line_id = p.id AND b.status = 'open' \
            GROUP BY p.order_line_id) parts) held \
            GROUP BY order_line_id";
        let db = self.bench.service.db.read();
        let held: Vec<Held> = kernel::db::query_all(db, sql, vec![]).await.expect("reads");
        let held: BTreeMap<_, _> = held.into_iter().map(|row| (row.order_line_id, row)).collect();
        for order in self.orders.iter().filter(|order| order.is_confirmed) {
            for line in &order.lines {
                let found = held.get(&line.line.id).map_or((0, 0), |row| {
                    (row.reserved / q(1).micros(), row.backordered / q(1).micros())
                });
                assert_eq!(found, (line.reserved, line.backordered), "of order {}", order.id);
                let promised = held.get(&line.line.id).and_then(|row| row.promised_on);
                let known = line.promised_on.filter(|_| line.backordered > 0);
                assert_eq!(promised, known, "of order {}", order.id);
            }
        }
    }
}

fn price(cents: i64) -> String {
    format!("{}.{:02}3", cents / 100, cents % 100)
}

fn units(quantity: Quantity) -> i64 {
    quantity.micros() / q(1).micros()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default()
    })]

    #[test]
    fn no_sequence_of_commands_breaks_a_law(
        commands in prop::collection::vec(command(), 1..50),
        costing in prop::sample::select(vec![["average", "average"], ["fifo", "standard"]]),
        tracking in prop::sample::select(
            vec![["none", "none"], ["lot", "serial"], ["serial", "lot"], ["none", "lot"]]
        ),
        has_locations in any::<bool>()
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut world = World::new(costing, tracking, has_locations).await;
            for command in commands {
                world.run(command).await;
                world.hear().await;
                world.check().await;
            }
        });
    }
}
