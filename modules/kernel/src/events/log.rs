//! A module's log of events, read from a position on by whoever tells others than modules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ctx::Ctx;
use crate::db::{Db, query_all, query_one};
use crate::error::Result;
use crate::events::{Event, Stored};
use crate::remote::{Remote, Repeat};

/// The method of the internal listener that every module has.
pub const READ_EVENTS: &str = "read_events";

/// Rows looked at for one portion, however few of them are wanted.
const WINDOW: i64 = 10_000;

/// How long transactions are waited for that may still add something.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is wanted of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// The position it was read up to before.
    pub after: Option<i64>,
    /// Where it begins if it was not read before; at its very beginning if absent.
    pub since: Option<DateTime<Utc>>,
    /// Only these types; all if empty.
    #[serde(default)]
    pub types: Vec<String>,
    pub limit: u16,
}

/// What was found, in the order of the log: events of one aggregate in the order they happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Portion {
    /// Each with its position.
    pub events: Vec<(i64, Event)>,
    /// Up to where the log was read.
    pub position: i64,
    /// Whether more is there already.
    pub has_more: bool,
}

/// A module's log of events, in this process or elsewhere.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Reads on from a position. Nothing is passed over: what a transaction that is still open
    /// may add comes after the position that is answered.
    async fn read_events(&self, ctx: &Ctx, wanted: &Wanted) -> Result<Portion>;
}

/// The logs of all modules, known when all of them are built.
pub type EventLogs = Arc<OnceLock<BTreeMap<&'static str, Arc<dyn EventLog>>>>;

#[derive(FromQueryResult)]
struct Row {
    seq: i64,
    #[sea_orm(nested)]
    event: Stored,
}

#[derive(FromQueryResult)]
struct Top {
    top: i64,
    writers: Option<String>,
}

#[async_trait]
impl EventLog for Db {
    async fn read_events(&self, _: &Ctx, wanted: &Wanted) -> Result<Portion> {
        let end = self.settled().await?;
        let after = match (wanted.after, wanted.since) {
            (Some(after), _) => after,
            (None, None) => 0,
            (None, Some(since)) => self.first_since(since, end.unwrap_or(0)).await?,
        };
        let Some(end) = end.filter(|end| *end > after) else {
            return Ok(Portion { events: Vec::new(), position: after, has_more: false });
        };
        let window = end.min(after.saturating_add(WINDOW));
        let limit = i64::from(wanted.limit.max(1));
        let mut values: Vec<Value> = vec![after.into(), window.into(), limit.into()];
        let mut sql = "SELECT seq, id, type, version, occurred_at, aggregate_id, \
                       aggregate_version, correlation_id, traceparent, causation_id, actor, data \
                       FROM events WHERE seq > $1 AND seq <= $2"
            .to_owned();
        if !wanted.types.is_empty() {
            let marks = (4..4 + wanted.types.len()).map(|i| format!("${i}"));
            sql += &format!(" AND type IN ({})", marks.collect::<Vec<_>>().join(", "));
            values.extend(wanted.types.iter().map(|kind| Value::from(kind.as_str())));
        }
        sql += " ORDER BY seq LIMIT $3";
        let rows: Vec<Row> = query_all(self.read(), sql, values).await?;
        let is_full = rows.len() as i64 == limit;
        let position = rows.last().filter(|_| is_full).map_or(window, |row| row.seq);
        let events = rows.into_iter().map(|row| Ok((row.seq, row.event.event()?)));
        let events = events.collect::<Result<_>>()?;
        Ok(Portion { events, position, has_more: position < end })
    }
}

impl Db {
    /// The position up to which nothing can be added any more; none if that is not known soon.
    ///
    /// Numbers are drawn when a row is inserted, and rows are seen when their transaction has
    /// committed. So where many write, a higher number may be seen before a lower one. Whoever
    /// inserts holds a lock on the table, from before the number is drawn until the commit can
    /// be seen: when all who held it after the highest number was read have let go of it,
    /// everything up to that is there, or never will be. One writer commits in the order of
    /// the numbers.
    async fn settled(&self) -> Result<Option<i64>> {
        let conn = self.read();
        if conn.get_database_backend() == DbBackend::Sqlite {
            let sql = "SELECT COALESCE(MAX(seq), 0) AS top, NULL AS writers FROM events";
            let top: Option<Top> = query_one(conn, sql, vec![]).await?;
            return Ok(top.map(|top| top.top));
        }
        // The rows are those of a snapshot that is older than the look at the locks.
        let sql = "SELECT (SELECT COALESCE(MAX(seq), 0) FROM events) AS top, \
                   (SELECT string_agg(virtualtransaction, ' ') FROM pg_locks \
                    WHERE locktype = 'relation' AND relation = 'events'::regclass \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                    AND mode = 'RowExclusiveLock') AS writers";
        let look = || query_one::<Top, _>(conn, sql, vec![]);
        let Some(first) = look().await? else { return Ok(None) };
        let mut waited_for = first.writers();
        let begun = Instant::now();
        while !waited_for.is_empty() {
            if begun.elapsed() > PATIENCE {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(now) = look().await? else { return Ok(None) };
            waited_for = &waited_for & &now.writers();
        }
        Ok(Some(first.top))
    }

    /// The position before the first event since a time, going by its id, which begins with
    /// the time.
    async fn first_since(&self, since: DateTime<Utc>, end: i64) -> Result<i64> {
        let ms = u64::try_from(since.timestamp_millis()).unwrap_or_default();
        let least = Uuid::from_u64_pair(ms << 16, 0);
        let sql = "SELECT COALESCE(MIN(seq) - 1, $2) AS top, NULL AS writers \
                   FROM events WHERE id >= $1";
        let top: Option<Top> = query_one(self.read(), sql, vec![least.into(), end.into()]).await?;
        Ok(top.map_or(end, |top| top.top))
    }
}

impl Top {
    fn writers(&self) -> BTreeSet<String> {
        let writers = self.writers.as_deref().unwrap_or_default();
        writers.split_whitespace().map(str::to_owned).collect()
    }
}

#[async_trait]
impl EventLog for Remote {
    async fn read_events(&self, ctx: &Ctx, wanted: &Wanted) -> Result<Portion> {
        self.call(READ_EVENTS, Repeat::Safe, ctx, wanted).await
    }
}
