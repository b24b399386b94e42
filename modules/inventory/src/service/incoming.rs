//! What purchase orders are to bring: expected from when they are approved until it has come or
//! they are closed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use contracts::events::{PurchaseOrderApproved, PurchaseOrderClosed};
use contracts::ids::{ProductId, WarehouseId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, execute};
use kernel::events::Event;
use kernel::quantity::Quantity;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::entities::reorder_rule;
use crate::service::Service;
use crate::service::backorders::fill_and_promise_anew;
use crate::service::levels::{Key, Levels};
use crate::service::promise_dates::{Change, withdraw};

impl Service {
    /// What is ordered is expected. Whatever was said of the lines before gives way to it.
    pub(crate) async fn purchase_order_approved(&self, event: &Event) -> Result<()> {
        let approved: PurchaseOrderApproved = event.parse()?;
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        // Orders of before this was told.
        let Some(warehouse_id) = approved.warehouse_id else { return tx.commit().await };
        let products = approved.lines.iter().map(|line| line.product_id).collect();
        let (keys, mut levels) = lock(&tx, warehouse_id, products).await?;
        let ordered_on = event.occurred_at.date_naive();
        let lead_times = match approved.expected_on {
            Some(_) => BTreeMap::new(),
            None => lead_times(&tx, warehouse_id, &keys).await?,
        };
        let day = |product_id| -> NaiveDate {
            let days = lead_times.get(&product_id).copied();
            let days = days.unwrap_or_else(|| self.config.lead_time_days.into());
            let expected_on = approved.expected_on;
            expected_on.unwrap_or_else(|| ordered_on + Days::new(days))
        };
        let expected = approved
            .lines
            .iter()
            .filter(|line| keys.contains(&Key { product_id: line.product_id, warehouse_id }));
        let changes: Vec<_> = expected
            .map(|line| Change {
                id: line.purchase_order_line_id,
                key: Key { product_id: line.product_id, warehouse_id },
                quantity: line.quantity,
                expected_on: Some(day(line.product_id)),
            })
            .collect();
        if changes.is_empty() {
            return tx.commit().await;
        }
        let lost = withdraw(&tx, &changes).await?;
        let rows = changes.iter().map(|change| {
            let (id, product_id) = (change.id, change.key.product_id);
            let (quantity, day) = (change.quantity, change.expected_on);
            vec![id.into(), product_id.into(), quantity.into(), day.into()]
        });
        let columns = [
            ("id", Column::Uuid),
            ("product_id", Column::Uuid),
            ("quantity", Column::BigInt),
            ("expected_on", Column::Date),
        ];
        let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
        let warehouse = values.bind(warehouse_id);
        let now = values.bind(tx.now());
        let (sql, values) = values.statement(&format!(
            "INSERT INTO expected_receipts (id, product_id, warehouse_id, quantity, received, \
               expected_on, created_at, updated_at) \
             SELECT v.id, v.product_id, {warehouse}, v.quantity, 0, v.expected_on, {now}, {now} \
               FROM v WHERE true \
             ON CONFLICT (id) DO UPDATE SET product_id = excluded.product_id, \
               warehouse_id = excluded.warehouse_id, quantity = excluded.quantity, \
               expected_on = excluded.expected_on, updated_at = excluded.updated_at"
        ));
        execute(&*tx, sql, values).await?;
        fill_and_promise_anew(&mut tx, &mut levels, &keys, &lost).await?;
        levels.store(&mut tx).await?;
        tx.audit_new("purchase_order", approved.purchase_order_id.uuid(), &approved)?;
        tx.commit().await
    }

    /// What has not come by now does not come any more. What was promised by it is promised anew.
    pub(crate) async fn purchase_order_closed(&self, event: &Event) -> Result<()> {
        let closed: PurchaseOrderClosed = event.parse()?;
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let products = closed.lines.iter().map(|line| line.product_id).collect();
        // As whoever receives: levels first.
        let (keys, mut levels) = lock(&tx, closed.warehouse_id, products).await?;
        let changes = closed.lines.iter().map(|line| Change {
            id: line.purchase_order_line_id,
            key: Key { product_id: line.product_id, warehouse_id: closed.warehouse_id },
            quantity: Quantity::ZERO,
            expected_on: None,
        });
        let lost = withdraw(&tx, &changes.collect::<Vec<_>>()).await?;
        let rows = closed.lines.iter().map(|line| vec![line.purchase_order_line_id.into()]);
        let mut values = Values::new(tx.get_database_backend(), "v", &[("id", Column::Uuid)], rows);
        let now = values.bind(tx.now());
        let (sql, values) = values.statement(&format!(
            "UPDATE expected_receipts SET quantity = received, updated_at = {now} \
             WHERE quantity > received AND id IN (SELECT id FROM v)"
        ));
        execute(&*tx, sql, values).await?;
        fill_and_promise_anew(&mut tx, &mut levels, &keys, &lost).await?;
        levels.store(&mut tx).await?;
        tx.audit_new("purchase_order", closed.purchase_order_id.uuid(), &closed)?;
        tx.commit().await
    }
}

/// The levels that goods come to. A kit has none, and comes as its components.
async fn lock(
    tx: &Tx,
    warehouse_id: WarehouseId,
    products: BTreeSet<ProductId>,
) -> Result<(BTreeSet<Key>, Levels)> {
    let keys = products.into_iter().map(|product_id| Key { product_id, warehouse_id });
    let mut keys: BTreeSet<_> = keys.collect();
    let levels = Levels::lock(tx, &keys).await?;
    keys.retain(|key| levels.unknown([*key]).is_none());
    Ok((keys, levels))
}

/// Of the products that have a rule there.
async fn lead_times(
    tx: &Tx,
    warehouse_id: WarehouseId,
    keys: &BTreeSet<Key>,
) -> Result<BTreeMap<ProductId, u64>> {
    use reorder_rule::Column;
    let found: Vec<(ProductId, i64)> = reorder_rule::Entity::find()
        .select_only()
        .columns([Column::ProductId, Column::LeadTimeDays])
        .filter(Column::WarehouseId.eq(warehouse_id))
        .filter(Column::ProductId.is_in(keys.iter().map(|key| key.product_id)))
        .into_tuple()
        .all(&**tx)
        .await?;
    Ok(found.into_iter().map(|(id, days)| (id, days.unsigned_abs())).collect())
}
