//! What inventory publishes, heard as orders and billing would.

use contracts::events::{
    BackorderFilled, BackorderPromised, OrderLineQuantity, ReservationBroken, StockAdjusted,
    StockDepleted, StockFellBelowReorderPoint, StockIssued, StockReceived, StockRestocked,
    StockReturned,
};
use contracts::ids::OrderId;
use sea_orm::FromQueryResult;

use super::{World, units};

#[derive(FromQueryResult)]
struct Published {
    seq: i64,
    r#type: String,
    data: String,
}

impl World {
    /// All since it heard last.
    pub(super) async fn hear(&mut self) {
        let sql = "SELECT seq, type, data FROM events WHERE seq > $1 ORDER BY seq";
        let db = self.bench.service.db.read();
        let events: Vec<Published> =
            kernel::db::query_all(db, sql, vec![self.heard.into()]).await.expect("reads");
        for event in events {
            self.heard = event.seq;
            self.hear_one(&event.r#type, &event.data);
        }
    }

    fn hear_one(&mut self, kind: &str, data: &str) {
        fn parse<T: kernel::events::EventData>(data: &str) -> T {
            serde_json::from_str(data).expect("an event")
        }
        use kernel::events::EventData;
        match kind {
            BackorderFilled::TYPE => {
                let filled: BackorderFilled = parse(data);
                self.change(filled.order_id, &filled.lines, 1);
            }
            BackorderPromised::TYPE => {
                let promised: BackorderPromised = parse(data);
                let order = self.orders.iter_mut().find(|o| o.id == promised.order_id);
                let order = order.expect("a known order");
                assert!(order.is_confirmed && !order.is_over, "told of no order there is");
                for promise in promised.lines {
                    let line = order.lines.iter_mut().find(|l| l.line.id == promise.order_line_id);
                    let line = line.expect("a known line");
                    line.promised_on = promise.promised_on.filter(|_| line.backordered > 0);
                }
            }
            ReservationBroken::TYPE => {
                let broken: ReservationBroken = parse(data);
                self.change(broken.order_id, &broken.lines, -1);
            }
            StockAdjusted::TYPE => self.booked += parse::<StockAdjusted>(data).value.minor(),
            StockReceived::TYPE => self.booked += parse::<StockReceived>(data).value.minor(),
            StockReturned::TYPE => self.booked += parse::<StockReturned>(data).cost.minor(),
            StockIssued::TYPE => {
                let issued: StockIssued = parse(data);
                let sum: i64 = issued.lines.iter().map(|line| line.cost.minor()).sum();
                assert_eq!(sum, issued.cost.minor());
                self.booked -= sum;
            }
            StockDepleted::TYPE | StockRestocked::TYPE | StockFellBelowReorderPoint::TYPE => {}
            other => panic!("inventory does not publish {other}"),
        }
    }

    /// Moves quantities from backordered to reserved, or back.
    fn change(&mut self, order_id: OrderId, lines: &[OrderLineQuantity], sign: i64) {
        let order = self.orders.iter_mut().find(|o| o.id == order_id).expect("a known order");
        assert!(order.is_confirmed && !order.is_over, "told of an order it should not be");
        for change in lines {
            let line = order.lines.iter_mut().find(|l| l.line.id == change.order_line_id);
            let line = line.expect("a known line");
            // What orders has shipped by now is not broken any more.
            let most = if sign < 0 { line.reserved } else { line.backordered };
            let units = sign * units(change.quantity).min(most);
            line.reserved += units;
            line.backordered -= units;
            assert!(line.reserved >= 0 && line.backordered >= 0);
            line.promised_on = line.promised_on.filter(|_| line.backordered > 0);
        }
    }
}
