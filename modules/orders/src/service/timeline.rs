//! What happened to an order: the module's own events, by what they happened to.

use contracts::ids::OrderId;
use kernel::Result;
use kernel::page::{Page, PageRequest, fetch};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Map, Value};

use crate::entities::event;
use crate::routes::timeline::{ReadTimeline, TimelineEntry};
use crate::service::Service;

impl Service {
    pub(crate) async fn order_timeline(
        &self,
        id: OrderId,
        query: ReadTimeline,
    ) -> Result<Page<TimelineEntry>> {
        self.check_order_exists(id).await?;
        let select = event::Entity::find().filter(event::Column::AggregateId.eq(id.uuid()));
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &event::Model| row.id;
        let page: Page<event::Model> =
            fetch(self.db.read(), select, event::Column::Id, id_of, "timeline", &request).await?;
        let entries: Result<Vec<_>> = page.data.into_iter().map(entry).collect();
        Ok(Page { data: entries?, page: page.page })
    }
}

fn entry(event: event::Model) -> Result<TimelineEntry> {
    Ok(TimelineEntry {
        id: event.id,
        kind: event.kind,
        occurred_at: event.occurred_at,
        actor: serde_json::from_str(&event.actor)?,
        summary: summary(serde_json::from_str(&event.data)?),
    })
}

/// The facts of an event that fit on a line: values and amounts as they are, a list by its
/// length, and of anything larger nothing.
fn summary(data: Map<String, Value>) -> Map<String, Value> {
    let facts = data.into_iter().filter_map(|(name, value)| {
        let fact = match value {
            Value::Null => return None,
            Value::Array(list) => list.len().into(),
            Value::Object(object) if object.len() == 2 && object.contains_key("amount") => {
                Value::Object(object)
            }
            Value::Object(_) => return None,
            value => value,
        };
        Some((name, fact))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_keeps_facts_and_counts_lists() {
        let data = json!({
            "number": "SH-2026-000001", "quotation_id": null, "lines": [{}, {}],
            "total": { "amount": "1.00", "currency": "EUR" }, "customer": { "name": "Ada" }
        });
        let Value::Object(data) = data else { unreachable!("an object was written above") };
        let expected = json!({
            "number": "SH-2026-000001", "lines": 2,
            "total": { "amount": "1.00", "currency": "EUR" }
        });
        assert_eq!(Value::Object(summary(data)), expected);
    }
}
