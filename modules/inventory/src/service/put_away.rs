//! Where goods arrive, and where they are put.

use std::collections::{BTreeSet, HashMap};

use contracts::ids::{LocationId, LotId, ProductId, PutAwayRuleId, WarehouseId};
use kernel::db::{Column, Tx, Values, query_all};
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    ModelTrait, QueryFilter,
};
use uuid::Uuid;

use crate::entities::put_away_rule;
use crate::error::Error;
use crate::routes::put_away::{
    ListPutAwayRules, ListPutAwaySuggestions, NewPutAwayRule, PutAwayRule, PutAwaySuggestion,
};
use crate::service::Service;
use crate::service::categories::check_category;
use crate::service::levels::Key;
use crate::service::locations::find_location;
use crate::service::references::{check_scope, find_product, find_warehouse};

/// The rule of the product, or of its category or the nearest one above that, or of everything,
/// to a place that is active.
const RULE: &str = "(WITH RECURSIVE up (id, distance) AS (SELECT p.category_id, 0 \
      UNION ALL SELECT c.parent_id, up.distance + 1 FROM up JOIN categories c ON c.id = up.id \
      WHERE c.parent_id IS NOT NULL) \
    SELECT r.location_id FROM put_away_rules r \
    JOIN locations a ON a.id = r.location_id AND a.is_active \
    LEFT JOIN up ON up.id = r.category_id \
    WHERE r.warehouse_id = k.warehouse_id AND (r.product_id = p.id \
      OR up.id IS NOT NULL OR (r.product_id IS NULL AND r.category_id IS NULL)) \
    ORDER BY r.product_id NULLS LAST, up.distance NULLS LAST LIMIT 1)";

/// Where what comes to some levels arrives, unless somebody says otherwise.
pub(crate) struct Arrivals(HashMap<Key, LocationId>);

impl Arrivals {
    /// The first input of the warehouse; without one, where it is to be put.
    pub async fn load(tx: &Tx, keys: &BTreeSet<Key>) -> Result<Self> {
        #[derive(FromQueryResult)]
        struct Row {
            product_id: ProductId,
            warehouse_id: WarehouseId,
            location_id: Option<LocationId>,
        }
        let rows = keys.iter().map(|key| vec![key.product_id.into(), key.warehouse_id.into()]);
        let columns = [("product_id", Column::Uuid), ("warehouse_id", Column::Uuid)];
        let (sql, values) =
            Values::new(tx.get_database_backend(), "k", &columns, rows).statement(&format!(
                "SELECT k.product_id, k.warehouse_id, COALESCE((SELECT o.id FROM locations o \
                 WHERE o.warehouse_id = k.warehouse_id AND o.kind = 'input' AND o.is_active \
                 ORDER BY o.pick_order, o.id LIMIT 1), {RULE}) AS location_id \
                 FROM k JOIN products p ON p.id = k.product_id"
            ));
        let rows: Vec<Row> = query_all(&**tx, sql, values).await?;
        let places = rows.into_iter().filter_map(|row| {
            let key = Key { product_id: row.product_id, warehouse_id: row.warehouse_id };
            Some((key, row.location_id?))
        });
        Ok(Arrivals(places.collect()))
    }

    pub fn of(&self, key: Key) -> Option<LocationId> {
        self.0.get(&key).copied()
    }
}

impl Service {
    pub(crate) async fn list_put_away_rules(
        &self,
        ctx: &Ctx,
        query: ListPutAwayRules,
    ) -> Result<Page<put_away_rule::Model>> {
        use put_away_rule::{Column, Entity, Model};
        let mut select = ctx.scope.filter(Entity::find(), Column::WarehouseId);
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "put_away_rules", &request).await
    }

    pub(crate) async fn create_put_away_rule(
        &self,
        ctx: &Ctx,
        new: NewPutAwayRule,
    ) -> Result<Reply> {
        if new.product_id.is_some() && new.category_id.is_some() {
            return Err(Error::RuleOfBoth.into());
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let warehouse_id = find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?.id;
        let location_id =
            find_location(&tx, new.location_id, warehouse_id, "/location_id").await?.id;
        if let Some(id) = new.product_id {
            find_product(&tx, id).await?;
        }
        check_category(&tx, new.category_id, "/category_id").await?;
        let model = put_away_rule::Model {
            id: PutAwayRuleId::new(),
            warehouse_id,
            product_id: new.product_id,
            category_id: new.category_id,
            location_id,
            created_at: tx.now(),
        };
        let inserted = model.into_active_model().insert(&*tx).await;
        let rule = PutAwayRule::from(inserted.or_conflict(|| Error::PutAwayRuleExists.into())?);
        tx.audit_new("put_away_rule", rule.id.uuid(), &rule)?;
        tx.reply(Reply::created_plain(&rule, "/api/v1/inventory/put-away-rules".into())).await
    }

    pub(crate) async fn delete_put_away_rule(&self, ctx: &Ctx, id: PutAwayRuleId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<put_away_rule::Entity>(id).await?;
        let found = found.ok_or_else(|| kernel::Error::not_found("put-away rule", id))?;
        check_scope(ctx, [found.warehouse_id], "put-away rule", id)?;
        found.clone().delete(&*tx).await?;
        tx.audit("put_away_rule", id.uuid(), Some(&PutAwayRule::from(found)), None::<&()>)?;
        tx.reply(Reply::no_content()).await
    }

    /// What lies where it arrived, or nobody said where, and where the rules want it. A lot that
    /// is held back is not put among what is sold.
    pub(crate) async fn list_put_away_suggestions(
        &self,
        ctx: &Ctx,
        query: ListPutAwaySuggestions,
    ) -> Result<Page<PutAwaySuggestion>> {
        #[derive(FromQueryResult)]
        struct Row {
            id: Uuid,
            warehouse_id: WarehouseId,
            product_id: ProductId,
            lot_id: Option<LotId>,
            from_location_id: Option<LocationId>,
            to_location_id: LocationId,
            quantity: Quantity,
        }
        let request =
            PageRequest { limit: query.limit, cursor: query.cursor, sort: Default::default() };
        let mut values = Vec::new();
        let mut conditions = ctx.scope.condition("k.warehouse_id", &mut values);
        if let Some(warehouse_id) = query.warehouse_id {
            values.push(warehouse_id.into());
            conditions += &format!(" AND k.warehouse_id = ${}", values.len());
        }
        if let Some(after) = request.after("put_away_suggestions")? {
            values.push(after.into());
            conditions += &format!(" AND k.id > ${}", values.len());
        }
        let sql = format!(
            "SELECT q.* FROM (SELECT k.id, k.warehouse_id, k.product_id, k.lot_id, \
               k.location_id AS from_location_id, {RULE} AS to_location_id, \
               k.quantity - k.allocated AS quantity FROM bins k \
               JOIN products p ON p.id = k.product_id \
               LEFT JOIN locations o ON o.id = k.location_id \
               LEFT JOIN lots l ON l.id = k.lot_id \
               WHERE k.quantity > k.allocated AND COALESCE(l.status, 'active') = 'active' \
               AND COALESCE(o.kind, 'input') = 'input'{conditions}) q \
             WHERE q.to_location_id IS NOT NULL \
             AND q.to_location_id IS DISTINCT FROM q.from_location_id ORDER BY q.id LIMIT {}",
            request.limit.rows() + 1
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, values).await?;
        let page = Page::cut(rows, |row| row.id, "put_away_suggestions", &request);
        Ok(page.map(|row| PutAwaySuggestion {
            warehouse_id: row.warehouse_id,
            product_id: row.product_id,
            lot_id: row.lot_id,
            from_location_id: row.from_location_id,
            to_location_id: row.to_location_id,
            quantity: row.quantity,
        }))
    }
}

impl From<put_away_rule::Model> for PutAwayRule {
    fn from(model: put_away_rule::Model) -> Self {
        PutAwayRule {
            id: model.id,
            warehouse_id: model.warehouse_id,
            product_id: model.product_id,
            category_id: model.category_id,
            location_id: model.location_id,
            created_at: model.created_at,
        }
    }
}
