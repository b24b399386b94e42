//! Whether goods that arrive are more than a stock level can hold, asked before their arrival is
//! posted elsewhere: inventory hears of it when it can no longer be refused.

use std::collections::{BTreeMap, BTreeSet};

use contracts::ids::{ProductId, WarehouseId};
use contracts::inventory::{ArrivingLine, CheckFit, Fit};
use kernel::Result;
use kernel::db::{Column, Values, query_all};
use kernel::money::{AmountError, Money, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::entities::product::Costing;
use crate::service::Service;
use crate::service::kit_lines::Parts;
use crate::service::level::Level;
use crate::service::levels::Key;

impl Service {
    pub(crate) async fn fit(&self, request: CheckFit) -> Result<Fit> {
        let key = |line: &ArrivingLine| Key {
            product_id: line.product_id,
            warehouse_id: request.warehouse_id,
        };
        let sold = request.lines.iter().filter_map(|line| line.order_line_id);
        let parts = match sold.clone().next() {
            Some(_) => Parts::of(self.db.read(), sold).await?,
            None => Parts::default(),
        };
        let (mut pieces, mut too_large) = (Vec::new(), BTreeSet::new());
        for (index, line) in request.lines.iter().enumerate() {
            let exploded = match line.order_line_id {
                Some(id) => parts.explode(id, key(line), line.quantity),
                None => {
                    pieces.push((index, key(line), line.quantity, line.unit_cost));
                    continue;
                }
            };
            match exploded {
                Ok(exploded) => pieces.extend(
                    exploded.into_iter().map(|piece| (index, piece.key, piece.quantity, None)),
                ),
                Err(_) => {
                    too_large.insert(index);
                }
            }
        }
        let mut levels = self.levels(pieces.iter().map(|(_, key, ..)| *key).collect()).await?;
        for (index, key, quantity, unit_cost) in pieces {
            // Of what there is no such product nothing arrives; who asks knows their products.
            let Some(level) = levels.get_mut(&key) else { continue };
            if self.take_in(level, quantity, unit_cost).is_err() {
                too_large.insert(index);
            }
        }
        Ok(Fit { too_large: too_large.into_iter().collect() })
    }

    /// Takes goods in, as far as it is known what they cost.
    fn take_in(
        &self,
        level: &mut Level,
        quantity: Quantity,
        unit_cost: Option<UnitPrice>,
    ) -> Result<(), AmountError> {
        let mut after = level.clone();
        match unit_cost {
            Some(unit_cost) => {
                after.receive_at(quantity, unit_cost, &self.company)?;
            }
            None => after.receive(quantity, Money::zero(self.company.currency), &self.company)?,
        }
        *level = after;
        Ok(())
    }

    /// What there is of some products, read and not locked.
    async fn levels(&self, keys: BTreeSet<Key>) -> Result<BTreeMap<Key, Level>> {
        #[derive(FromQueryResult)]
        struct Row {
            product_id: ProductId,
            warehouse_id: WarehouseId,
            on_hand: Quantity,
            value_minor: i64,
            costing: Costing,
            standard_cost: Option<UnitPrice>,
            owed: Quantity,
            owed_minor: i64,
        }
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let conn = self.db.read();
        let rows = keys.iter().map(|key| vec![key.product_id.into(), key.warehouse_id.into()]);
        let columns = [("product_id", Column::Uuid), ("warehouse_id", Column::Uuid)];
        let (sql, values) = Values::new(conn.get_database_backend(), "k", &columns, rows)
            .statement(
                "SELECT k.product_id, k.warehouse_id, p.costing, p.standard_cost, \
                 COALESCE(s.on_hand, 0) AS on_hand, COALESCE(s.value_minor, 0) AS value_minor, \
                 COALESCE(s.owed, 0) AS owed, COALESCE(s.owed_minor, 0) AS owed_minor \
                 FROM k JOIN products p ON p.id = k.product_id LEFT JOIN stock_levels s \
                 ON s.product_id = k.product_id AND s.warehouse_id = k.warehouse_id",
            );
        let rows: Vec<Row> = query_all(conn, sql, values).await?;
        let level = |row: Row| {
            let level = Level {
                on_hand: row.on_hand,
                value_minor: row.value_minor,
                costing: row.costing,
                standard_cost: row.standard_cost,
                owed: row.owed,
                owed_minor: row.owed_minor,
                ..Level::default()
            };
            (Key { product_id: row.product_id, warehouse_id: row.warehouse_id }, level)
        };
        Ok(rows.into_iter().map(level).collect())
    }
}
