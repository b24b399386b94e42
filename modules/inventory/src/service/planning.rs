//! Reorder rules, what they suggest to buy, and what is on its way.

use std::collections::BTreeSet;

use contracts::ids::{ProductId, PurchaseOrderLineId, ReorderRuleId, WarehouseId};
use kernel::date::check_date;
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter,
};

use crate::entities::{expected_receipt, reorder_rule};
use crate::error::{Error, internal};
use crate::routes::planning::{
    ExpectedReceipt, ListExpectedReceipts, ListReorderRules, ListReorderSuggestions,
    NewReorderRule, ReorderRule, ReorderRulePatch, ReorderSuggestion, SetExpectedReceipt,
};
use crate::service::Service;
use crate::service::backorders::{fill_and_promise, fill_and_promise_anew};
use crate::service::levels::{Key, Levels};
use crate::service::promise_dates::{Change, withdraw};
use crate::service::references::{check_fineness, check_scope, find_product, find_warehouse};

impl Service {
    pub(crate) async fn list_reorder_rules(
        &self,
        ctx: &Ctx,
        query: ListReorderRules,
    ) -> Result<Page<reorder_rule::Model>> {
        use reorder_rule::{Column, Entity, Model};
        let mut select = ctx.scope.filter(Entity::find(), Column::WarehouseId);
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "reorder_rules", &request).await
    }

    pub(crate) async fn reorder_rule(&self, id: ReorderRuleId) -> Result<reorder_rule::Model> {
        let found = reorder_rule::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("reorder rule", id))
    }

    pub(crate) async fn create_reorder_rule(
        &self,
        ctx: &Ctx,
        new: NewReorderRule,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let warehouse_id = find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?.id;
        let product = find_product(&tx, new.product_id).await?;
        let model = reorder_rule::Model {
            id: ReorderRuleId::new(),
            product_id: product.id,
            warehouse_id,
            min_quantity: new.min,
            target_quantity: new.target,
            max_quantity: new.max.unwrap_or(new.target),
            multiple: new.multiple.map_or(Quantity::ONE, |multiple| multiple.get()),
            minimum_order: new.minimum_order.unwrap_or_default(),
            lead_time_days: new.lead_time_days.into(),
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        check_rule(&product, &model)?;
        let (key, mut levels) = set_reorder_point(&tx, &model).await?;
        let inserted = model.into_active_model().insert(&*tx).await;
        let rule = ReorderRule::from(inserted.or_conflict(|| Error::RuleExists.into())?);
        fill_and_promise(&mut tx, &mut levels, &[key].into(), BTreeSet::new()).await?;
        levels.store(&mut tx).await?;
        tx.audit_new("reorder_rule", rule.id.uuid(), &rule)?;
        let location = format!("/api/v1/inventory/reorder-rules/{}", rule.id);
        tx.reply(Reply::created(&rule, location)).await
    }

    pub(crate) async fn update_reorder_rule(
        &self,
        ctx: &Ctx,
        id: ReorderRuleId,
        patch: ReorderRulePatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<reorder_rule::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("reorder rule", id))?;
        check_scope(ctx, [before.warehouse_id], "reorder rule", id)?;
        ctx.check_version(before.version)?;
        let mut after = reorder_rule::Model {
            min_quantity: patch.min.unwrap_or(before.min_quantity),
            target_quantity: patch.target.unwrap_or(before.target_quantity),
            max_quantity: patch.max.unwrap_or(before.max_quantity),
            multiple: patch.multiple.map_or(before.multiple, |multiple| multiple.get()),
            minimum_order: patch.minimum_order.unwrap_or(before.minimum_order),
            lead_time_days: patch.lead_time_days.map_or(before.lead_time_days, Into::into),
            ..before.clone()
        };
        // What changes nothing makes no new version.
        if after == before {
            return tx.reply(Reply::ok(&ReorderRule::from(before))).await;
        }
        (after.version, after.updated_at) = (before.version + 1, tx.now());
        let product = find_product(&tx, after.product_id).await?;
        check_rule(&product, &after)?;
        let (key, mut levels) = set_reorder_point(&tx, &after).await?;
        let after = ReorderRule::from(after.into_active_model().reset_all().update(&*tx).await?);
        fill_and_promise(&mut tx, &mut levels, &[key].into(), BTreeSet::new()).await?;
        levels.store(&mut tx).await?;
        tx.audit("reorder_rule", id.uuid(), Some(&ReorderRule::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    /// What to buy: a function of what there is, so that asking twice is asking once.
    pub(crate) async fn list_reorder_suggestions(
        &self,
        ctx: &Ctx,
        query: ListReorderSuggestions,
    ) -> Result<Page<ReorderSuggestion>> {
        let request =
            PageRequest { limit: query.limit, cursor: query.cursor, sort: Default::default() };
        let mut values = Vec::new();
        let mut conditions = ctx.scope.condition("r.warehouse_id", &mut values);
        let mut bind = |value: sea_orm::Value| {
            values.push(value);
            format!("${}", values.len())
        };
        if let Some(after) = request.after("reorder_suggestions")? {
            conditions += &format!(" AND r.id > {}", bind(after.into()));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            conditions += &format!(" AND r.warehouse_id = {}", bind(warehouse_id.into()));
        }
        if let Some(product_id) = query.product_id {
            conditions += &format!(" AND r.product_id = {}", bind(product_id.into()));
        }
        let sql = format!(
            "SELECT q.* FROM (SELECT r.*, \
               COALESCE(s.on_hand - s.owed - s.reserved - s.blocked - s.backordered, 0) \
                 AS available, \
               COALESCE((SELECT CAST(SUM(e.quantity - e.received) AS BIGINT) \
                 FROM expected_receipts e WHERE e.product_id = r.product_id \
                 AND e.warehouse_id = r.warehouse_id AND e.quantity > e.received), 0) \
               + COALESCE((SELECT CAST(SUM(l.shipped - l.received - l.lost) AS BIGINT) \
                 FROM transfers t JOIN transfer_lines l ON l.transfer_id = t.id \
                 WHERE t.status = 'in_transit' AND t.to_warehouse_id = r.warehouse_id \
                 AND l.product_id = r.product_id), 0) AS expected \
               FROM reorder_rules r LEFT JOIN stock_levels s \
               ON s.product_id = r.product_id AND s.warehouse_id = r.warehouse_id \
               WHERE true{conditions}) q \
             WHERE q.available + q.expected < q.min_quantity ORDER BY q.id LIMIT {}",
            request.limit.rows() + 1
        );
        let rows: Vec<Needed> = query_all(self.db.read(), sql, values).await?;
        let page = Page::cut(rows, |row| row.id.uuid(), "reorder_suggestions", &request);
        Ok(page.map(|row| {
            let projected = Quantity::from_micros(row.available + row.expected.micros());
            ReorderSuggestion {
                rule_id: row.id,
                product_id: row.product_id,
                warehouse_id: row.warehouse_id,
                projected,
                expected: row.expected,
                quantity: suggest(&row, projected),
                lead_time_days: row.lead_time_days,
            }
        }))
    }

    pub(crate) async fn list_expected_receipts(
        &self,
        ctx: &Ctx,
        query: ListExpectedReceipts,
    ) -> Result<Page<expected_receipt::Model>> {
        use expected_receipt::{Column, Entity, Model};
        let mut select = ctx.scope.filter(Entity::find(), Column::WarehouseId);
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "expected_receipts", &request).await
    }

    /// Says what a line of a purchase order will bring, instead of what was said before.
    pub(crate) async fn set_expected_receipt(
        &self,
        ctx: &Ctx,
        id: PurchaseOrderLineId,
        set: SetExpectedReceipt,
    ) -> Result<Reply> {
        check_date(set.expected_on, "/expected_on")?;
        let mut tx = self.db.begin_once(ctx).await?;
        let warehouse_id = find_warehouse(&tx, set.warehouse_id, "/warehouse_id").await?.id;
        let product = find_product(&tx, set.product_id).await?;
        if set.quantity.is_negative() {
            return Err(Error::QuantityNegative { pointer: "/quantity".into() }.into());
        }
        check_fineness(&product, set.quantity, "/quantity")?;
        // Levels are locked first, as by whoever receives.
        let key = Key { product_id: product.id, warehouse_id };
        let mut levels = Levels::lock(&tx, &[key].into()).await?;
        let before = tx.lock::<expected_receipt::Entity>(id).await?;
        let (quantity, expected_on) = (set.quantity, Some(set.expected_on));
        let lost = withdraw(&tx, &[Change { id, key, quantity, expected_on }]).await?;
        let after = expected_receipt::Model {
            id,
            product_id: product.id,
            warehouse_id,
            quantity: set.quantity,
            received: before.as_ref().map_or(Quantity::ZERO, |row| row.received),
            expected_on: set.expected_on,
            created_at: before.as_ref().map_or(tx.now(), |row| row.created_at),
            updated_at: tx.now(),
        };
        let model = after.into_active_model();
        let after = match before {
            Some(_) => model.reset_all().update(&*tx).await?,
            None => model.insert(&*tx).await.or_conflict(|| Error::ChangedMeanwhile.into())?,
        };
        let before = before.map(ExpectedReceipt::from);
        let after = ExpectedReceipt::from(after);
        fill_and_promise_anew(&mut tx, &mut levels, &[key].into(), &lost).await?;
        levels.store(&mut tx).await?;
        tx.audit("expected_receipt", id.uuid(), before.as_ref(), Some(&after))?;
        tx.reply(Reply::plain(&after)).await
    }
}

/// Counts down what was expected of purchase order lines.
pub(crate) async fn note_received(
    tx: &Tx,
    lines: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
) -> Result<()> {
    let rows = lines.map(|(id, quantity)| vec![id.into(), quantity.into()]);
    let columns = [("id", Column::Uuid), ("quantity", Column::BigInt)];
    let values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    let (sql, values) = values.statement(
        "UPDATE expected_receipts SET received = expected_receipts.received + v.quantity \
         FROM v WHERE expected_receipts.id = v.id",
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}

/// Writes the minimum beside what is compared with it.
async fn set_reorder_point(tx: &Tx, rule: &reorder_rule::Model) -> Result<(Key, Levels)> {
    let key = Key { product_id: rule.product_id, warehouse_id: rule.warehouse_id };
    let levels = Levels::lock(tx, &[key].into()).await?;
    let sql = "UPDATE stock_levels SET reorder_point = $1 \
               WHERE product_id = $2 AND warehouse_id = $3";
    let values = vec![rule.min_quantity.into(), rule.product_id.into(), rule.warehouse_id.into()];
    execute(&**tx, sql, values).await?;
    Ok((key, levels))
}

fn check_rule(
    product: &crate::entities::product::Model,
    rule: &reorder_rule::Model,
) -> Result<(), Error> {
    let quantities = [
        ("/min", rule.min_quantity),
        ("/target", rule.target_quantity),
        ("/max", rule.max_quantity),
        ("/multiple", rule.multiple),
        ("/minimum_order", rule.minimum_order),
    ];
    for (pointer, quantity) in quantities {
        if quantity.is_negative() {
            return Err(Error::QuantityNegative { pointer: pointer.into() });
        }
        check_fineness(product, quantity, pointer)?;
    }
    if rule.min_quantity > rule.target_quantity {
        return Err(Error::RuleOutOfOrder { pointer: "/target".into() });
    }
    if rule.target_quantity > rule.max_quantity {
        return Err(Error::RuleOutOfOrder { pointer: "/max".into() });
    }
    if rule.lead_time_days > 3650 {
        return Err(Error::LeadTimeTooLong);
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Needed {
    id: ReorderRuleId,
    product_id: ProductId,
    warehouse_id: WarehouseId,
    target_quantity: Quantity,
    max_quantity: Quantity,
    multiple: Quantity,
    minimum_order: Quantity,
    lead_time_days: i64,
    available: i64,
    expected: Quantity,
}

/// How much to buy: what brings stock up to the target, in whole multiples and no less than
/// the least that can be ordered. Where the last multiple would go beyond the maximum it is
/// left out, unless less than the least would remain.
fn suggest(rule: &Needed, projected: Quantity) -> Quantity {
    let multiple = rule.multiple.micros().max(1);
    let up = |micros: i64| (micros + multiple - 1) / multiple * multiple;
    let least = up(rule.minimum_order.micros()).max(multiple);
    let wanted = up(rule.target_quantity.micros() - projected.micros()).max(least);
    let room = (rule.max_quantity.micros() - projected.micros()) / multiple * multiple;
    Quantity::from_micros(if wanted > room { room.max(least) } else { wanted })
}

impl From<reorder_rule::Model> for ReorderRule {
    fn from(model: reorder_rule::Model) -> Self {
        ReorderRule {
            id: model.id,
            product_id: model.product_id,
            warehouse_id: model.warehouse_id,
            min: model.min_quantity,
            target: model.target_quantity,
            max: model.max_quantity,
            multiple: model.multiple,
            minimum_order: model.minimum_order,
            lead_time_days: model.lead_time_days,
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}

impl From<expected_receipt::Model> for ExpectedReceipt {
    fn from(model: expected_receipt::Model) -> Self {
        let open = model.quantity.checked_sub(model.received).map_err(internal);
        ExpectedReceipt {
            id: model.id,
            product_id: model.product_id,
            warehouse_id: model.warehouse_id,
            quantity: model.quantity,
            received: model.received,
            open: open.unwrap_or_default().max(Quantity::ZERO),
            expected_on: model.expected_on,
            updated_at: model.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_reaches_the_target_in_whole_multiples() {
        // Target and maximum, multiple and least order, projected, suggested.
        let check = |levels: (i64, i64), order: (i64, i64), projected: i64, expected: i64| {
            let units = |units| Quantity::from_units(units).expect("in range");
            let rule = Needed {
                id: ReorderRuleId::new(),
                product_id: ProductId::new(),
                warehouse_id: WarehouseId::new(),
                target_quantity: units(levels.0),
                max_quantity: units(levels.1),
                multiple: units(order.0),
                minimum_order: units(order.1),
                lead_time_days: 0,
                available: 0,
                expected: Quantity::ZERO,
            };
            let found = suggest(&rule, units(projected));
            assert_eq!(found, units(expected), "{levels:?} {order:?} {projected}");
        };
        check((20, 30), (1, 0), 4, 16);
        check((20, 30), (6, 0), 4, 18);
        check((20, 21), (6, 0), 4, 12);
        check((20, 30), (6, 20), 4, 24);
        check((20, 20), (6, 20), 4, 24);
        check((20, 30), (1, 0), -5, 25);
        check((5, 5), (10, 0), 4, 10);
    }
}
