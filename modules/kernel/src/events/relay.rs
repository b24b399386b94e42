//! The relay of a module: takes what the outbox holds to those who want it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use sea_orm::{FromQueryResult, Value};
use tokio::sync::watch;
use uuid::Uuid;

use crate::config::EventsConfig;
use crate::ctx::Ctx;
use crate::db::{Db, execute, query_all, query_one};
use crate::error::{Error, Result};
use crate::events::{Event, Stored, SubscriberMap};

/// A commit wakes the relay; this is how long it sleeps when nothing does.
const IDLE: Duration = Duration::from_secs(1);

/// How long what was delivered may stay in the outbox, so that many go at once. Should the
/// process end before, it is delivered again, and the subscriber finds it in its inbox.
const FORGET_AFTER: Duration = Duration::from_millis(50);

/// Wait before asking again where nobody was there to refuse.
const AWAY: Duration = Duration::from_millis(500);

/// Aggregates whose events are delivered to one subscriber at the same time: each delivery
/// ends with a commit there, which many can share.
const AT_ONCE: usize = 8;

/// Delivers the events of one module.
pub struct Relay {
    db: Db,
    ctx: Ctx,
    subscribers: SubscriberMap,
    config: EventsConfig,
}

/// A row of the outbox with its event.
#[derive(FromQueryResult)]
struct Due {
    seq: i64,
    subscriber: String,
    attempts: i64,
    #[sea_orm(nested)]
    event: Stored,
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

/// What a round leaves to do.
enum Round {
    /// There may be more.
    More,
    /// Nothing until something is published, or what failed is due again.
    Done,
    /// The subscriber is not there, or not able to.
    Away,
}

/// A row of the outbox, how often it has failed by now, and why this time.
type Failure = (i64, i64, Error);

/// What a subscriber has and the outbox still holds.
#[derive(Default)]
struct Delivered {
    seqs: Vec<i64>,
    since: Option<Instant>,
}

impl Delivered {
    fn add(&mut self, seq: i64) {
        self.seqs.push(seq);
        self.since.get_or_insert_with(Instant::now);
    }

    /// A list for `IN`, never empty: `0, $3, $4`, if two parameters come before.
    fn placeholders(&self, before: usize) -> String {
        let marks = (1..=self.seqs.len()).map(|i| format!(", ${}", before + i));
        format!("0{}", marks.collect::<String>())
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        self.seqs.iter().map(|seq| Value::from(*seq))
    }

    /// How long it may stay.
    fn due_in(&self) -> Duration {
        self.since.map_or(IDLE, |since| FORGET_AFTER.saturating_sub(since.elapsed()))
    }
}

impl Relay {
    pub fn new(db: Db, subscribers: SubscriberMap, config: EventsConfig) -> Self {
        Relay { db, ctx: Ctx::system("relay"), subscribers, config }
    }

    /// Delivers until `stop` says true: to each subscriber by itself, so that a slow one
    /// keeps nobody waiting.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let heard = self.db.subscriptions().iter().flat_map(|(_, subscribers)| *subscribers);
        let subscribers: BTreeSet<&'static str> = heard.copied().collect();
        join_all(subscribers.into_iter().map(|name| self.serve(name, stop.clone()))).await;
    }

    async fn serve(&self, subscriber: &'static str, mut stop: watch::Receiver<bool>) {
        let Some(mut published) = self.db.published_to(subscriber) else { return };
        let mut delivered = Delivered::default();
        while !*stop.borrow() {
            published.mark_unchanged();
            let round = self.round(subscriber, &mut delivered).await;
            let round = round.unwrap_or_else(|error| {
                tracing::error!(module = self.db.module(), error = ?error, "relay failed");
                Round::Done
            });
            match round {
                Round::More => continue,
                Round::Done => {}
                Round::Away => {
                    tokio::select! {
                        () = tokio::time::sleep(AWAY) => {}
                        _ = stop.changed() => {}
                    }
                    continue;
                }
            }
            tokio::select! {
                _ = published.changed() => {}
                () = tokio::time::sleep(delivered.due_in()) => {}
                _ = stop.changed() => {}
            }
        }
        if let Err(error) = self.forget(&mut delivered).await {
            tracing::warn!(module = self.db.module(), error = ?error, "will be delivered again");
        }
    }

    /// One round over what is due.
    async fn round(&self, subscriber: &str, delivered: &mut Delivered) -> Result<Round> {
        if delivered.due_in().is_zero() {
            self.forget(delivered).await?;
        }
        // Each aggregate has a queue of its own: what failed or is parked holds back what
        // came after it there, and nothing else. What is held is found once, not for each row:
        // PostgreSQL may believe an outbox to be empty that was a moment ago, and then compares
        // all of it with all of it.
        let batch = self.config.batch;
        let mut values = vec![subscriber.into(), Utc::now().into(), (batch as i64).into()];
        let sql = format!(
            "WITH held AS MATERIALIZED (\
                 SELECT aggregate_id, MIN(seq) AS seq FROM outbox WHERE subscriber = $1 \
                 AND (parked_at IS NOT NULL OR next_attempt_at > $2) GROUP BY aggregate_id) \
             SELECT o.seq, o.subscriber, o.attempts, e.id, e.type, e.version, e.occurred_at, \
             e.aggregate_id, e.aggregate_version, e.correlation_id, e.traceparent, e.causation_id, e.actor, \
             e.data FROM outbox o JOIN events e ON e.id = o.event_id \
             WHERE o.subscriber = $1 AND o.seq NOT IN ({}) AND NOT EXISTS (\
                 SELECT 1 FROM held h WHERE h.aggregate_id = o.aggregate_id AND h.seq <= o.seq) \
             ORDER BY o.seq LIMIT $3",
            delivered.placeholders(values.len())
        );
        values.extend(delivered.values());
        let due: Vec<Due> = query_all(self.db.read(), sql, values).await?;
        let is_full = due.len() as u64 == batch;
        let mut queues: BTreeMap<Uuid, Vec<Due>> = BTreeMap::new();
        for row in due {
            queues.entry(row.event.aggregate_id).or_default().push(row);
        }
        let outcomes: Vec<_> = stream::iter(queues.into_values())
            .map(|queue| self.deliver_queue(queue))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut failed = Vec::new();
        for (seqs, failure) in outcomes {
            seqs.into_iter().for_each(|seq| delivered.add(seq));
            failed.extend(failure);
        }
        if is_full {
            self.forget(delivered).await?;
        }
        let mut is_away = false;
        for (seq, attempts, error) in &failed {
            // No fault of the event's: it waits for as long as that takes.
            match error.status() {
                503 => is_away = true,
                _ => self.record_failure(*seq, *attempts, error).await?,
            }
        }
        Ok(match (is_away, is_full) {
            (true, _) => Round::Away,
            (false, true) => Round::More,
            (false, false) => Round::Done,
        })
    }

    /// Delivers what is due of one aggregate, in its order, until a delivery fails. Returns
    /// what was delivered and what failed.
    async fn deliver_queue(&self, queue: Vec<Due>) -> (Vec<i64>, Option<Failure>) {
        let mut delivered = Vec::new();
        for row in queue {
            let (seq, attempts) = (row.seq, row.attempts + 1);
            match self.deliver(row).await {
                Ok(()) => delivered.push(seq),
                Err(error) => return (delivered, Some((seq, attempts, error))),
            }
        }
        (delivered, None)
    }

    /// The event before this one that its subscriber hears of the same aggregate.
    async fn previous(&self, row: &Due) -> Result<Option<Uuid>> {
        let heard = self.db.subscriptions().iter();
        let heard = heard.filter(|(_, names)| names.contains(&row.subscriber.as_str()));
        let mut values: Vec<Value> = vec![row.event.aggregate_id.into(), row.event.id.into()];
        values.extend(heard.map(|(kind, _)| Value::from(*kind)));
        let marks: Vec<_> = (3..=values.len()).map(|i| format!("${i}")).collect();
        let sql = format!(
            "SELECT id FROM events WHERE aggregate_id = $1 AND type IN ({}) \
             AND seq < (SELECT seq FROM events WHERE id = $2) ORDER BY seq DESC LIMIT 1",
            marks.join(", ")
        );
        let found: Option<Id> = query_one(self.db.read(), sql, values).await?;
        Ok(found.map(|found| found.id))
    }

    async fn deliver(&self, row: Due) -> Result<()> {
        let subscriber = self.subscribers.get(row.subscriber.as_str()).ok_or_else(|| {
            Error::internal(format!("no route to the subscriber {}", row.subscriber))
        })?;
        let (previous, attempts) = match subscriber.keeps_order() {
            true => (None, 0),
            false => (self.previous(&row).await?, row.attempts),
        };
        let event = Event { previous, attempts, ..row.event.event()? };
        subscriber.handle(&event).await.inspect_err(|error| {
            tracing::warn!(
                event.id = %event.id,
                event.r#type = %event.kind,
                subscriber = %row.subscriber,
                attempts = row.attempts + 1,
                error = ?error,
                "delivery failed"
            );
        })
    }

    async fn forget(&self, delivered: &mut Delivered) -> Result<()> {
        if !delivered.seqs.is_empty() {
            let sql = format!("DELETE FROM outbox WHERE seq IN ({})", delivered.placeholders(0));
            self.execute(sql, delivered.values().collect()).await?;
        }
        *delivered = Delivered::default();
        Ok(())
    }

    async fn record_failure(&self, seq: i64, attempts: i64, error: &Error) -> Result<()> {
        let (next_attempt_at, parked_at) = again(&self.config, attempts);
        let sql = "UPDATE outbox SET attempts = $1, next_attempt_at = $2, parked_at = $3, \
                   last_error = $4 WHERE seq = $5";
        let values = vec![
            attempts.into(),
            next_attempt_at.into(),
            parked_at.into(),
            format!("{error:?}").into(),
            seq.into(),
        ];
        self.execute(sql, values).await
    }

    async fn execute(&self, sql: impl Into<String>, values: Vec<Value>) -> Result<()> {
        self.db.execute(&self.ctx, sql.into(), values).await
    }
}

/// Takes back into the outbox what the way to `subscriber` took over and then gave up, to be
/// delivered again like anything that failed.
pub async fn take_back(
    db: &Db,
    config: &EventsConfig,
    event: &Event,
    subscriber: &str,
    why: &str,
) -> Result<()> {
    let attempts = event.attempts + 1;
    let (next_attempt_at, parked_at) = again(config, attempts);
    // The same may come back twice; the row it went out with may not have been deleted yet.
    let sql = "INSERT INTO outbox (event_id, subscriber, aggregate_id, attempts, \
               next_attempt_at, parked_at, last_error) \
               SELECT id, $2, aggregate_id, $3, $4, $5, $6 FROM events WHERE id = $1 AND NOT EXISTS \
               (SELECT 1 FROM outbox WHERE event_id = $1 AND subscriber = $2 AND attempts >= $3)";
    let values = vec![
        event.id.into(),
        subscriber.into(),
        attempts.into(),
        next_attempt_at.into(),
        parked_at.into(),
        why.into(),
    ];
    let tx = db.begin(&Ctx::system("relay")).await?;
    execute(&*tx, sql, values).await?;
    tx.commit().await
}

/// When to try again after so many failures, and when it was parked, if that is enough of them.
fn again(config: &EventsConfig, attempts: i64) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
    let now = Utc::now();
    let wait_ms = config
        .first_retry_ms
        .saturating_mul(1 << (attempts - 1).clamp(0, 30))
        .min(config.max_retry_ms);
    let parked_at = (attempts >= config.max_attempts).then_some(now);
    (now + chrono::Duration::milliseconds(wait_ms as i64), parked_at)
}
