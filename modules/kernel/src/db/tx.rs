//! The transaction of a change. It carries, beside the change itself, the audit row,
//! the events it publishes and the answer to a repeat: all are committed or none.

use std::collections::HashMap;
use std::ops::Deref;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult, Value};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ctx::Ctx;
use crate::db::{Db, execute, query_one};
use crate::error::{Error, Result};
use crate::events::{Event, EventData};
use crate::http::Reply;

/// One thing that changed, as the audit log tells it.
#[derive(Debug)]
pub struct Change {
    pub resource_type: &'static str,
    pub resource_id: Uuid,
    /// JSON before; none for something new.
    pub before: Option<String>,
    /// JSON after; none for something gone.
    pub after: Option<String>,
}

/// An open transaction. Dropped without an end, it is rolled back. It derefs to the
/// connection, so queries run on `&*tx`.
pub struct Tx {
    txn: DatabaseTransaction,
    db: Db,
    ctx: Ctx,
    now: DateTime<Utc>,
    changes: Vec<Change>,
    events: Vec<Event>,
}

impl Deref for Tx {
    type Target = DatabaseTransaction;
    fn deref(&self) -> &DatabaseTransaction {
        &self.txn
    }
}

impl Tx {
    pub(super) fn new(txn: DatabaseTransaction, db: Db, ctx: Ctx) -> Self {
        Tx { txn, db, ctx, now: Utc::now(), changes: Vec::new(), events: Vec::new() }
    }

    /// The request this belongs to.
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// The one moment at which all of this happens.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Notes a change for the audit log.
    pub fn audit<B: Serialize, A: Serialize>(
        &mut self,
        resource_type: &'static str,
        resource_id: Uuid,
        before: Option<&B>,
        after: Option<&A>,
    ) -> Result<()> {
        let before = before.map(serde_json::to_string).transpose()?;
        let after = after.map(serde_json::to_string).transpose()?;
        self.changes.push(Change { resource_type, resource_id, before, after });
        Ok(())
    }

    /// Notes something new for the audit log.
    pub fn audit_new(
        &mut self,
        resource_type: &'static str,
        resource_id: Uuid,
        after: &impl Serialize,
    ) -> Result<()> {
        self.audit(resource_type, resource_id, None::<&()>, Some(after))
    }

    /// Publishes an event: it is delivered if, and only if, this commits. Events of
    /// one aggregate are delivered in the order they were published.
    pub fn publish<T: EventData>(
        &mut self,
        aggregate_id: Uuid,
        aggregate_version: i64,
        data: &T,
    ) -> Result<()> {
        self.events.push(Event {
            id: Uuid::now_v7(),
            kind: T::TYPE.to_owned(),
            version: T::VERSION,
            occurred_at: self.now,
            aggregate_id,
            aggregate_version,
            correlation_id: self.ctx.request_id.to_string(),
            causation_id: self.ctx.causation_id,
            actor: self.ctx.actor.clone(),
            data: serde_json::to_value(data)?,
        });
        Ok(())
    }

    /// Stores the answer under the caller's key, if there is one, and commits.
    pub async fn reply(self, reply: Reply) -> Result<Reply> {
        if let Some(key) = &self.ctx.idempotency {
            let sql = "INSERT INTO idempotency_keys \
                       (scope, key, body_hash, status, etag, location, body, created_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let values = vec![
                key.scope.as_ref().into(),
                key.key.as_ref().into(),
                key.body_hash.get().cloned().unwrap_or_default().into(),
                i64::from(reply.status).into(),
                reply.etag.into(),
                reply.location.clone().into(),
                reply.body.as_str().into(),
                self.now.into(),
            ];
            execute(&self.txn, sql, values).await?;
        }
        self.commit().await?;
        Ok(reply)
    }

    /// Writes audit rows and events, commits, and wakes the relay.
    pub async fn commit(self) -> Result<()> {
        self.write_audit().await?;
        let wakes = self.write_events().await?;
        self.txn.commit().await?;
        if wakes {
            self.db.published().notify_one();
        }
        Ok(())
    }

    pub(super) async fn replay_if_repeated(&self) -> Result<()> {
        let Some(key) = &self.ctx.idempotency else {
            return Ok(());
        };
        let sql = "SELECT body_hash, status, etag, location, body FROM idempotency_keys \
                   WHERE scope = $1 AND key = $2";
        let values = vec![key.scope.as_ref().into(), key.key.as_ref().into()];
        let Some(stored) = query_one::<Stored, _>(&self.txn, sql, values).await? else {
            return Ok(());
        };
        if stored.body_hash != key.body_hash.get().cloned().unwrap_or_default() {
            return Err(Error::new(
                422,
                "idempotency_key_reused",
                "this Idempotency-Key was used with another body",
            ));
        }
        Err(Error::replay(Reply {
            status: stored.status as u16,
            etag: stored.etag,
            location: stored.location,
            body: stored.body,
            replayed: true,
        }))
    }

    pub(super) async fn is_first_delivery(&self, event: &Event) -> Result<bool> {
        let sql = "INSERT INTO inbox (event_id, type, applied_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (event_id) DO NOTHING";
        let values = vec![event.id.into(), event.kind.as_str().into(), self.now.into()];
        Ok(execute(&self.txn, sql, values).await? == 1)
    }

    async fn write_audit(&self) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let last = "SELECT hash FROM audit_log ORDER BY seq DESC LIMIT 1";
        let last: Option<Hash> = query_one(&self.txn, last, vec![]).await?;
        let mut prev_hash = last.map(|row| row.hash).unwrap_or_default();
        let mut rows = Rows::new(13);
        for change in &self.changes {
            let hash = self.audit_hash(&prev_hash, change)?;
            rows.push([
                self.now.into(),
                self.ctx.actor.kind.as_str().into(),
                self.ctx.actor.id.into(),
                self.ctx.actor.name.as_str().into(),
                self.ctx.request_id.as_ref().into(),
                self.ctx.operation.as_ref().into(),
                change.resource_type.into(),
                change.resource_id.into(),
                self.ctx.reason.as_deref().into(),
                change.before.clone().into(),
                change.after.clone().into(),
                prev_hash.into(),
                hash.as_str().into(),
            ]);
            prev_hash = hash;
        }
        let sql = "INSERT INTO audit_log (occurred_at, actor_kind, actor_id, actor_name, \
                   request_id, operation, resource_type, resource_id, reason, before, after, \
                   prev_hash, hash) VALUES ";
        rows.insert(&self.txn, sql).await
    }

    /// SHA-256 over the previous hash and everything the row says.
    fn audit_hash(&self, prev_hash: &str, change: &Change) -> Result<String> {
        let said = serde_json::to_vec(&(
            prev_hash,
            self.now,
            &self.ctx.actor,
            &*self.ctx.request_id,
            &*self.ctx.operation,
            (change.resource_type, change.resource_id, self.ctx.reason.as_deref()),
            (&change.before, &change.after),
        ))?;
        Ok(crate::http::hex(&Sha256::digest(said)))
    }

    /// Returns whether somebody listens to what was published.
    async fn write_events(&self) -> Result<bool> {
        if self.events.is_empty() {
            return Ok(false);
        }
        let subscribers: HashMap<_, _> = self.db.subscriptions().iter().copied().collect();
        let mut events = Rows::new(10);
        let mut outbox = Rows::new(4);
        for event in &self.events {
            events.push([
                event.id.into(),
                event.kind.as_str().into(),
                i64::from(event.version).into(),
                event.occurred_at.into(),
                event.aggregate_id.into(),
                event.aggregate_version.into(),
                event.correlation_id.as_str().into(),
                event.causation_id.into(),
                serde_json::to_string(&event.actor)?.into(),
                event.data.to_string().into(),
            ]);
            for subscriber in subscribers.get(event.kind.as_str()).copied().unwrap_or_default() {
                outbox.push([
                    event.id.into(),
                    (*subscriber).into(),
                    event.aggregate_id.into(),
                    self.now.into(),
                ]);
            }
        }
        let sql = "INSERT INTO events (id, type, version, occurred_at, aggregate_id, \
                   aggregate_version, correlation_id, causation_id, actor, data) VALUES ";
        events.insert(&self.txn, sql).await?;
        let wakes = !outbox.is_empty();
        let sql =
            "INSERT INTO outbox (event_id, subscriber, aggregate_id, next_attempt_at) VALUES ";
        outbox.insert(&self.txn, sql).await?;
        Ok(wakes)
    }
}

/// Parameters of one statement: SQLite takes 32766, PostgreSQL 65535.
const MAX_PARAMETERS: usize = 30_000;

/// Rows for one `INSERT` of several.
struct Rows {
    width: usize,
    values: Vec<Value>,
}

impl Rows {
    fn new(width: usize) -> Self {
        Rows { width, values: Vec::new() }
    }

    fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.width);
        self.values.extend(row);
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Runs `INSERT .. VALUES` with the rows; nothing if there are none, and more than
    /// one statement only where one could not name them all.
    async fn insert(self, conn: &impl ConnectionTrait, sql: &str) -> Result<()> {
        for values in self.values.chunks(MAX_PARAMETERS / self.width * self.width) {
            let tuples: Vec<_> = (0..values.len() / self.width)
                .map(|row| {
                    let marks: Vec<_> =
                        (1..=self.width).map(|i| format!("${}", row * self.width + i)).collect();
                    format!("({})", marks.join(", "))
                })
                .collect();
            execute(conn, format!("{sql}{}", tuples.join(", ")), values.to_vec()).await?;
        }
        Ok(())
    }
}

#[derive(FromQueryResult)]
struct Hash {
    hash: String,
}

#[derive(FromQueryResult)]
struct Stored {
    body_hash: String,
    status: i64,
    etag: Option<i64>,
    location: Option<String>,
    body: String,
}
