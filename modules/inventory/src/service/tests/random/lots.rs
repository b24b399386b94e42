//! The same of lots and serial numbers: taken in, identified, blocked, picked and scrapped.

use chrono::{Days, Utc};
use contracts::ids::{OrderId, PickingListId};
use kernel::db::query_all;
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

use super::super::bench::{ctx, request};
use super::{Command, World, allow_refusal};
use crate::entities::lot::{self, LotStatus};
use crate::entities::picking_line;
use crate::entities::product::{self, Tracking};
use crate::entities::stock_move;

/// What may be said of lots that are drawn at random.
const CODES: &[&str] = &[
    "serial_on_hand",
    "lots_not_tracked",
    "nothing_to_identify",
    "insufficient_stock",
    "unknown_lot",
];

impl World {
    pub(super) async fn run_lots(&mut self, command: Command) {
        match command {
            Command::ReceiveLots { item, units, first } => {
                let (product, warehouse) = self.items[item];
                let lots = lots(self.tracking(item).await, units, first);
                let new = json!({ "warehouse_id": warehouse, "reason": "test", "lines": [{
                    "product_id": product, "quantity": units.to_string(), "unit_cost": "2.5",
                    "lots": lots
                }] });
                let received = self.bench.service.receive_stock(&ctx(), request(new)).await;
                allow_refusal(received, CODES);
            }
            Command::Identify { pick, first } => {
                let sql = "SELECT m.* FROM stock_moves m WHERE m.to_location = 'warehouse' \
                    AND EXISTS (SELECT 1 FROM bin_entries e WHERE e.move_id = m.id \
                    AND e.lot_id IS NULL AND e.quantity > 0) ORDER BY m.id";
                let Some(came) = self.one_of::<stock_move::Model>(sql, pick).await else { return };
                let item = self.items.iter().position(|(id, _)| *id == came.product_id);
                let tracking = self.tracking(item.expect("a known product")).await;
                let lots = lots(tracking, 2.min(super::units(came.quantity)), first);
                let lots = request(json!({ "lots": lots }));
                let said = self.bench.service.identify_lots(&ctx(), came.id, lots).await;
                allow_refusal(said, CODES);
            }
            Command::ScrapLot { pick, item, units } => {
                let sql = "SELECT * FROM lots ORDER BY id";
                let Some(lot) = self.one_of::<lot::Model>(sql, pick).await else { return };
                let (product, warehouse) = self.items[item];
                let units = if lot.product_id == product { -units } else { -1 };
                let scrap = json!({
                    "warehouse_id": warehouse, "product_id": lot.product_id, "lot_id": lot.id,
                    "quantity": units.to_string(), "reason": "destroyed",
                    "break_reservations": pick % 2 == 0
                });
                let gone = self.bench.service.adjust_stock(&ctx(), request(scrap)).await;
                allow_refusal(gone, &["insufficient_stock", "serial_of_many"]);
            }
            Command::Block { pick, is_to_be, breaks } => {
                let sql = "SELECT * FROM lots ORDER BY id";
                let Some(lot) = self.one_of::<lot::Model>(sql, pick).await else { return };
                let to = if is_to_be { LotStatus::Quarantined } else { LotStatus::Active };
                let why = json!({ "reason": "test", "break_reservations": breaks });
                let service = &self.bench.service;
                let moved = service.move_lot(&ctx(), lot.id, to, request(why)).await;
                allow_refusal(moved, &["lot_transition", "insufficient_stock"]);
            }
            Command::Pick { pick, found, is_cancelled } => {
                let ready = |o: &super::KnownOrder| o.lines.iter().any(|l| l.reserved > 0);
                let Some(i) = self.pick(pick, |o| o.is_confirmed && ready(o)) else { return };
                let order = &self.orders[i];
                let new = json!({
                    "warehouse_id": order.lines[0].line.warehouse_id, "order_ids": [order.id]
                });
                let made = self.bench.service.create_picking_list(&ctx(), request(new)).await;
                if allow_refusal(made, &["nothing_to_pick"]).is_some() {
                    self.pick_newest(found, is_cancelled).await;
                }
            }
            Command::ExpireLots { days } => {
                let day = Utc::now().date_naive() + Days::new(days);
                self.bench.service.expire_lots(&ctx(), day).await.expect("runs");
            }
            Command::CountLots { item, first, units, meanwhile } => {
                if let Some(line) = self.counted_lots(item, first, units).await {
                    self.post_count(item, line, meanwhile).await;
                }
            }
            other => panic!("{other:?} is nothing of lots"),
        }
    }

    /// What is there of the lots of a product, but so much more or less of two in turn, and one
    /// that may be new.
    async fn counted_lots(&self, item: usize, first: usize, units: i64) -> Option<Value> {
        let tracking = self.tracking(item).await;
        if tracking == Tracking::None {
            return None;
        }
        let mut lots = self.bench.lots_at(self.items[item]).await;
        for (i, (_, there)) in lots.iter_mut().enumerate() {
            let more = if (i + first).is_multiple_of(2) { units } else { -units };
            *there = match tracking {
                Tracking::Serial => i64::from(more >= 0),
                _ => (*there + more).max(0),
            };
        }
        // Not both of two products that have a lot of this number.
        let new = format!("{}{first}", if item < 2 { "X" } else { "Y" });
        if !lots.iter().any(|(number, _)| *number == new) {
            lots.push((new, 1));
        }
        let lot = |(number, units): &(String, i64)| json!({ "number": number, "quantity": units.to_string() });
        let all: i64 = lots.iter().map(|(_, units)| units).sum();
        let lots: Vec<_> = lots.iter().map(lot).collect();
        let product = self.items[item].0;
        Some(json!({ "product_id": product, "quantity": all.to_string(), "lots": lots }))
    }

    /// Takes up to so many for each line of the newest list, or gives it up.
    async fn pick_newest(&self, found: i64, is_cancelled: bool) {
        let sql = "SELECT * FROM picking_lines WHERE picking_list_id = (\
            SELECT id FROM picking_lists ORDER BY id DESC LIMIT 1) ORDER BY position";
        let db = self.bench.service.db.read();
        let lines: Vec<picking_line::Model> = query_all(db, sql, vec![]).await.expect("reads");
        let id: PickingListId = lines[0].picking_list_id;
        if is_cancelled {
            self.bench.service.cancel_picking_list(&ctx(), id).await.expect("it is open");
            return;
        }
        let picked =
            |line: &picking_line::Model| found.min(super::units(line.quantity)).to_string();
        // As it may be, of other lots than those listed.
        let mut others = Vec::new();
        for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.lot_id.is_some()) {
            let sql = format!(
                "SELECT l.* FROM lots l JOIN picking_lines p ON p.product_id = l.product_id \
                 WHERE p.picking_list_id = (SELECT id FROM picking_lists ORDER BY id DESC LIMIT 1) \
                 AND p.position = {} ORDER BY l.id",
                line.position
            );
            let lot = self.one_of::<lot::Model>(&sql, i + found as usize * 3).await;
            let number = lot.expect("one is listed").number;
            let lots = json!([{ "number": number, "quantity": picked(line) }]);
            others.push(json!({ "position": line.position, "picked": picked(line), "lots": lots }));
        }
        if found > 0 && !others.is_empty() {
            let named = request(json!({ "lines": others }));
            let named = self.bench.service.pick_lines(&ctx(), id, named).await;
            let codes = ["insufficient_lot", "lot_blocked", "duplicate_serial"];
            if allow_refusal(named, &codes).is_some() {
                return;
            }
        }
        let line = |line: &picking_line::Model| json!({ "position": line.position, "picked": picked(line) });
        let lines: Vec<Value> = lines.iter().map(line).collect();
        let picked = json!({ "lines": lines });
        self.bench.service.pick_lines(&ctx(), id, request(picked)).await.expect("it is listed");
    }

    async fn tracking(&self, item: usize) -> Tracking {
        let sql = "SELECT * FROM products WHERE id = $1";
        let values = vec![self.items[item].0.into()];
        let found: Option<product::Model> =
            kernel::db::query_one(self.bench.service.db.read(), sql, values).await.expect("reads");
        found.expect("a known product").tracking
    }

    async fn one_of<T: FromQueryResult>(&self, sql: &str, pick: usize) -> Option<T> {
        let rows: Vec<T> =
            query_all(self.bench.service.db.read(), sql, vec![]).await.expect("reads");
        let at = pick % rows.len().max(1);
        rows.into_iter().nth(at)
    }

    /// What an order was shipped last expires no later than what could have been taken instead
    /// (FEFO), unless somebody had picked for it.
    pub(super) async fn assert_fefo(&self, order: OrderId) {
        #[derive(FromQueryResult)]
        struct Later {
            number: String,
            earlier: String,
        }
        let sql = "SELECT l.number, o.number AS earlier FROM stock_moves m \
            JOIN bin_entries e ON e.move_id = m.id JOIN lots l ON l.id = e.lot_id \
            JOIN bins b ON b.product_id = e.product_id AND b.warehouse_id = e.warehouse_id \
            JOIN lots o ON o.id = b.lot_id \
            WHERE m.source_id = (SELECT source_id FROM stock_moves \
            WHERE source_type = 'shipment' ORDER BY id DESC LIMIT 1) \
            AND b.quantity > b.allocated AND NOT b.is_blocked \
            AND o.expires_on IS NOT NULL AND o.expires_on < l.expires_on \
            AND NOT EXISTS (SELECT 1 FROM picking_lines p WHERE p.order_id = $1)";
        let db = self.bench.service.db.read();
        let later: Vec<Later> = query_all(db, sql, vec![order.into()]).await.expect("reads");
        let later = later.iter().map(|row| format!("{} before {}", row.number, row.earlier));
        assert_eq!(later.collect::<Vec<_>>(), [""; 0]);
    }
}

/// So many units as lots, or as numbers one after the other. Whatever is drawn twice is the same
/// lot, so it has the same date.
fn lots(tracking: Tracking, units: i64, first: usize) -> Vec<Value> {
    let today = Utc::now().date_naive();
    match tracking {
        Tracking::None => Vec::new(),
        Tracking::Lot => {
            let lot = |n: usize, units: i64| {
                let date = (n > 0).then(|| today + Days::new(n as u64));
                json!({
                    "number": format!("L{n}"), "quantity": units.to_string(), "expires_on": date
                })
            };
            let (one, other) = (first % 5, (first + 1) % 5);
            match units {
                1 => vec![lot(one, 1)],
                _ => vec![lot(one, units - 1), lot(other, 1)],
            }
        }
        Tracking::Serial => (0..units as usize)
            .map(|n| json!({ "number": format!("S{}", first * 5 + n), "quantity": "1" }))
            .collect(),
    }
}
