//! The same of what is sold before it is there: in a warehouse that may be below nothing.

use contracts::ids::OrderId;

use super::{Command, KnownLine, KnownOrder, World, allow_refusal};

impl World {
    pub(super) async fn run_negative(&mut self, command: Command) {
        match command {
            Command::Oversell { items } => {
                let id = OrderId::new();
                let lines = items.iter().map(|(item, units)| {
                    // Always of the warehouse that may: the second of each product's two.
                    let (product, warehouse) = self.items[*item | 1];
                    (self.bench.line(product, warehouse), *units)
                });
                let lines: Vec<_> = lines.collect();
                self.bench.ship(id, &lines).await.expect("what has left is posted");
                let line = |(line, units)| KnownLine {
                    line,
                    reserved: 0,
                    backordered: 0,
                    promised_on: None,
                    shipped: units,
                    returned: 0,
                };
                let lines = lines.into_iter().map(line).collect();
                self.orders.push(KnownOrder { id, is_confirmed: false, is_over: true, lines });
            }
            Command::AllowNegative { is_allowed } => {
                let (_, warehouse) = self.items[1];
                let said = self.bench.allow_negative(warehouse, is_allowed).await;
                allow_refusal(said, &["stock_below_nothing"]);
            }
            Command::SetNegative { item, is_allowed } => {
                let policy = if is_allowed { "inherit" } else { "never" };
                let said = self.bench.set_negative(self.items[item].0, policy).await;
                allow_refusal(said, &["stock_below_nothing", "negative_stock_of_lots"]);
            }
            other => panic!("{other:?} is nothing of what is not there"),
        }
    }
}
