//! Events as others see them: which there are, and a page of those of all modules.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use contracts::events::TYPES;
use futures_util::future::join_all;
use kernel::date::check_date;
use kernel::events::Event;
use kernel::events::log::{EventLog, Portion, Wanted};
use kernel::page::invalid_cursor;
use kernel::{Ctx, Result};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::routes::events::{EventPage, EventPageInfo, ListEvents, PublicEvent};
use crate::service::Service;

/// A cursor: how far each module's log was read.
type Positions = BTreeMap<String, i64>;

const CHECKSUM_BYTES: usize = 4;

impl Service {
    pub(crate) async fn list_events(&self, ctx: &Ctx, query: ListEvents) -> Result<EventPage> {
        if let Some(since) = query.since {
            check_date(since, "?since")?;
        }
        let types: Vec<String> = match query.r#type {
            None => Vec::new(),
            Some(filter) if !is_event_filter(&filter) => {
                let detail = format!("there is no event {}", &*filter);
                return Err(kernel::Error::new(422, "unknown_event_type", &detail).with_field(
                    "?type",
                    "unknown_event_type",
                    detail,
                ));
            }
            Some(filter) => TYPES
                .iter()
                .filter(|kind| is_told(&filter, kind))
                .map(ToString::to_string)
                .collect(),
        };
        let mut positions = query.cursor.as_deref().map_or(Ok(Positions::new()), read_cursor)?;
        let limit = query.limit.rows();
        let reads = self.logs().map(|(module, log)| {
            let wanted = Wanted {
                after: positions.get(module).copied(),
                since: query.since,
                types: types.clone(),
                limit: limit as u16,
            };
            async move { (module, log.read_events(ctx, &wanted).await) }
        });
        let mut portions = Vec::new();
        let mut unavailable = Vec::new();
        for (module, read) in join_all(reads).await {
            match read {
                Ok(portion) => portions.push((module, portion)),
                Err(error) if error.status() == 503 => unavailable.push(module),
                Err(error) => return Err(error),
            }
        }
        let (data, has_more) = merge(portions, limit, &mut positions);
        let next_cursor = cursor(&positions)?;
        Ok(EventPage { data, page: EventPageInfo { next_cursor, has_more }, unavailable })
    }

    /// The logs of all modules, by their names.
    pub(super) fn logs(&self) -> impl Iterator<Item = (&'static str, &dyn EventLog)> {
        self.logs.get().into_iter().flatten().map(|(module, log)| (*module, &**log))
    }
}

/// Takes as many as wanted, each log in its order and the earliest first, and notes how far
/// each was read.
fn merge(
    portions: Vec<(&'static str, Portion)>,
    limit: usize,
    positions: &mut Positions,
) -> (Vec<PublicEvent>, bool) {
    let mut has_more = false;
    let mut queues: Vec<_> = portions
        .into_iter()
        .map(|(module, portion)| {
            has_more |= portion.has_more;
            // Where nothing of it is taken it stays where it was; of a first read, before that.
            let start = portion.events.first().map_or(portion.position, |(seq, _)| seq - 1);
            positions.entry(module.to_owned()).or_insert(start);
            (module, portion.position, VecDeque::from(portion.events))
        })
        .collect();
    let mut taken = Vec::new();
    while taken.len() < limit {
        let heads = queues.iter_mut().filter(|(_, _, queue)| !queue.is_empty());
        let earliest =
            heads.min_by_key(|(_, _, queue)| queue.front().map(|(_, event)| event.occurred_at));
        let Some((module, _, queue)) = earliest else { break };
        if let Some((seq, event)) = queue.pop_front() {
            positions.insert((*module).to_owned(), seq);
            taken.push(public(event));
        }
    }
    for (module, position, queue) in queues {
        match queue.is_empty() {
            true => drop(positions.insert(module.to_owned(), position)),
            false => has_more = true,
        }
    }
    (taken, has_more)
}

/// As others see it: without who did it.
pub(super) fn public(event: Event) -> PublicEvent {
    PublicEvent {
        id: event.id,
        kind: event.kind,
        version: event.version,
        timestamp: event.occurred_at,
        aggregate_id: event.aggregate_id,
        aggregate_version: event.aggregate_version,
        correlation_id: event.correlation_id,
        data: event.data,
    }
}

/// Whether `filter` names an event there is, a module's all, or all.
pub(super) fn is_event_filter(filter: &str) -> bool {
    TYPES.iter().any(|kind| is_told(filter, kind))
}

/// Whether an event of this type is among those `filter` names.
pub(super) fn is_told(filter: &str, kind: &str) -> bool {
    let of_module = || filter.strip_suffix(".*") == kind.split('.').next();
    filter == "*" || filter == kind || of_module()
}

/// The filters, sorted and each once.
pub(super) fn check_event_types<T: AsRef<str>>(filters: &[T]) -> Result<Vec<String>> {
    const MAX: usize = 100;
    let (code, pointer) = ("too_many_event_types", "/event_types");
    if filters.len() > MAX {
        return Err(Error::TooMany { code, pointer, max: MAX }.into());
    }
    let mut filters: Vec<String> =
        filters.iter().map(|filter| filter.as_ref().to_owned()).collect();
    if let Some((index, event_type)) = filters.iter().enumerate().find(|(_, f)| !is_event_filter(f))
    {
        return Err(Error::UnknownEventType { index, event_type: event_type.clone() }.into());
    }
    filters.sort();
    filters.dedup();
    match filters.is_empty() {
        true => Err(Error::NoEventTypes.into()),
        false => Ok(filters),
    }
}

fn cursor(positions: &Positions) -> Result<String> {
    let mut bytes = checksum(&serde_json::to_vec(positions)?).to_vec();
    bytes.extend(serde_json::to_vec(positions)?);
    Ok(BASE64URL.encode(bytes))
}

fn read_cursor(cursor: &str) -> Result<Positions> {
    let bytes = BASE64URL.decode(cursor).map_err(|_| invalid_cursor())?;
    let (sum, text) = bytes.split_at_checked(CHECKSUM_BYTES).ok_or_else(invalid_cursor)?;
    if sum != checksum(text) {
        return Err(invalid_cursor());
    }
    serde_json::from_slice(text).map_err(|_| invalid_cursor())
}

/// Against typing errors and cursors of other lists; it grants nothing that its holder could
/// not read anyway.
fn checksum(text: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::new().chain_update("events").chain_update(text).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use kernel::Actor;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_type_is_of_a_module_and_they_are_sorted() {
        assert!(TYPES.is_sorted(), "{TYPES:?}");
        assert!(TYPES.iter().all(|kind| kind.split('.').count() == 3));
    }

    #[test]
    fn a_filter_names_a_type_a_module_or_all() {
        let check = |filter: &str, kind: &str, expected: bool| {
            assert_eq!(is_told(filter, kind), expected, "{filter} {kind}");
        };
        check("*", "orders.order.created", true);
        check("orders.*", "orders.order.created", true);
        check("orders.order.created", "orders.order.created", true);
        check("order.*", "orders.order.created", false);
        check("orders.order.*", "orders.order.created", false);
        check("orders", "orders.order.created", false);
        assert!(!is_event_filter("nothing.*") && !is_event_filter("orders.order.eaten"));
    }

    #[test]
    fn what_is_not_taken_comes_next_time() {
        let event = |second: i64| Event {
            id: Uuid::now_v7(),
            kind: "orders.order.created".into(),
            version: 1,
            occurred_at: DateTime::<Utc>::from_timestamp(second, 0).expect("a time"),
            aggregate_id: Uuid::now_v7(),
            aggregate_version: 1,
            correlation_id: String::new(),
            traceparent: None,
            causation_id: None,
            actor: Actor::anonymous(),
            previous: None,
            attempts: 0,
            data: json!({}),
        };
        let portion = |seqs: &[(i64, i64)], position, has_more| Portion {
            events: seqs.iter().map(|(seq, second)| (*seq, event(*second))).collect(),
            position,
            has_more,
        };
        let portions = || {
            vec![
                ("auth", portion(&[(7, 30)], 9, false)),
                ("orders", portion(&[(3, 10), (4, 40), (6, 20)], 6, true)),
                ("sales", portion(&[], 5, false)),
            ]
        };
        let check = |limit, seconds: &[i64], expected: [(&str, i64); 3], more| {
            let mut positions = Positions::new();
            let (taken, has_more) = merge(portions(), limit, &mut positions);
            let taken: Vec<_> = taken.iter().map(|event| event.timestamp.timestamp()).collect();
            let expected = expected.map(|(module, seq)| (module.to_owned(), seq));
            assert_eq!((taken.as_slice(), has_more), (seconds, more));
            assert_eq!(positions, Positions::from(expected));
        };
        check(1, &[10], [("auth", 6), ("orders", 3), ("sales", 5)], true);
        check(2, &[10, 30], [("auth", 9), ("orders", 3), ("sales", 5)], true);
        // The log's order is that of its module, whatever the clocks said.
        check(9, &[10, 30, 40, 20], [("auth", 9), ("orders", 6), ("sales", 5)], true);
    }

    #[test]
    fn a_cursor_that_was_changed_is_refused() {
        let positions = Positions::from([("orders".to_owned(), 3)]);
        let text = cursor(&positions).expect("written");
        assert_eq!(read_cursor(&text).expect("its own"), positions);
        for bad in ["", "AAAA", "%%", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(read_cursor(bad).expect_err(bad).code(), "invalid_cursor");
        }
    }
}
