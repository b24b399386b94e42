//! The relay of a module: takes what the outbox holds to those who want it.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use sea_orm::{FromQueryResult, Value};
use tokio::sync::watch;
use uuid::Uuid;

use crate::config::EventsConfig;
use crate::ctx::Ctx;
use crate::db::{Db, execute, query_all};
use crate::error::{Error, Result};
use crate::events::{Event, SubscriberMap};

/// A commit wakes the relay; this is how long it sleeps when nothing does.
const IDLE: Duration = Duration::from_secs(1);

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
    id: Uuid,
    r#type: String,
    version: i64,
    occurred_at: DateTime<Utc>,
    aggregate_id: Uuid,
    aggregate_version: i64,
    correlation_id: String,
    causation_id: Option<Uuid>,
    actor: String,
    data: String,
}

impl Relay {
    pub fn new(db: Db, subscribers: SubscriberMap, config: EventsConfig) -> Self {
        Relay { db, ctx: Ctx::system("relay"), subscribers, config }
    }

    /// Delivers until `stop` says true: to each subscriber by itself, so that a slow one
    /// keeps nobody waiting.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let heard = self.db.subscriptions().iter().flat_map(|(_, subscribers)| *subscribers);
        let subscribers: BTreeSet<&str> = heard.copied().collect();
        join_all(subscribers.into_iter().map(|name| self.serve(name, stop.clone()))).await;
    }

    async fn serve(&self, subscriber: &str, mut stop: watch::Receiver<bool>) {
        let mut published = self.db.published().subscribe();
        while !*stop.borrow() {
            published.mark_unchanged();
            let delivered = match self.deliver_due(subscriber).await {
                Ok(count) => count,
                Err(error) => {
                    tracing::error!(module = self.db.module(), error = ?error, "relay failed");
                    0
                }
            };
            if delivered > 0 {
                continue;
            }
            tokio::select! {
                _ = published.changed() => {}
                () = tokio::time::sleep(IDLE) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// One round over what is due; returns how many deliveries succeeded.
    async fn deliver_due(&self, subscriber: &str) -> Result<usize> {
        // Only the head of each queue (one an aggregate) is due: what failed or is parked
        // holds back what came after it, and nothing else.
        let sql = "SELECT o.seq, o.subscriber, o.attempts, e.id, e.type, e.version, \
            e.occurred_at, e.aggregate_id, e.aggregate_version, e.correlation_id, \
            e.causation_id, e.actor, e.data \
            FROM outbox o JOIN events e ON e.id = o.event_id \
            WHERE o.subscriber = $1 AND o.parked_at IS NULL AND o.next_attempt_at <= $2 \
            AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.subscriber = o.subscriber \
                AND p.aggregate_id = o.aggregate_id AND p.seq < o.seq) \
            ORDER BY o.seq LIMIT $3";
        let values = vec![subscriber.into(), Utc::now().into(), (self.config.batch as i64).into()];
        let due: Vec<Due> = query_all(self.db.read(), sql, values).await?;
        let mut outcomes = Vec::with_capacity(due.len());
        for row in due {
            let (seq, attempts) = (row.seq, row.attempts);
            outcomes.push((seq, attempts, self.deliver(row).await));
        }
        self.record(outcomes).await
    }

    async fn deliver(&self, row: Due) -> Result<()> {
        let subscriber = self.subscribers.get(row.subscriber.as_str()).ok_or_else(|| {
            Error::internal(format!("no route to the subscriber {}", row.subscriber))
        })?;
        let event = Event {
            id: row.id,
            kind: row.r#type,
            version: row.version as u16,
            occurred_at: row.occurred_at,
            aggregate_id: row.aggregate_id,
            aggregate_version: row.aggregate_version,
            correlation_id: row.correlation_id,
            causation_id: row.causation_id,
            actor: serde_json::from_str(&row.actor)?,
            data: serde_json::from_str(&row.data)?,
        };
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

    async fn record(&self, outcomes: Vec<(i64, i64, Result<()>)>) -> Result<usize> {
        let delivered: Vec<i64> =
            outcomes.iter().filter(|o| o.2.is_ok()).map(|(seq, ..)| *seq).collect();
        if !delivered.is_empty() {
            let marks: Vec<_> = (1..=delivered.len()).map(|i| format!("${i}")).collect();
            let sql = format!("DELETE FROM outbox WHERE seq IN ({})", marks.join(", "));
            let values = delivered.iter().map(|seq| Value::from(*seq)).collect();
            self.execute(sql, values).await?;
        }
        for (seq, attempts, outcome) in outcomes {
            if let Err(error) = outcome {
                self.record_failure(seq, attempts + 1, &error).await?;
            }
        }
        Ok(delivered.len())
    }

    async fn record_failure(&self, seq: i64, attempts: i64, error: &Error) -> Result<()> {
        let now = Utc::now();
        let wait_ms = self
            .config
            .first_retry_ms
            .saturating_mul(1 << (attempts - 1).clamp(0, 30))
            .min(self.config.max_retry_ms);
        let parked_at = (attempts >= self.config.max_attempts).then_some(now);
        let sql = "UPDATE outbox SET attempts = $1, next_attempt_at = $2, parked_at = $3, \
                   last_error = $4 WHERE seq = $5";
        let values = vec![
            attempts.into(),
            (now + chrono::Duration::milliseconds(wait_ms as i64)).into(),
            parked_at.into(),
            format!("{error:?}").into(),
            seq.into(),
        ];
        self.execute(sql, values).await
    }

    /// Changes the outbox in a transaction of its own.
    async fn execute(&self, sql: impl Into<String>, values: Vec<Value>) -> Result<()> {
        let tx = self.db.begin(&self.ctx).await?;
        execute(&*tx, sql, values).await?;
        tx.commit().await
    }
}
