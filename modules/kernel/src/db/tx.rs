//! The transaction of a change. It carries, beside the change itself, the audit row,
//! the events it publishes and the answer to a repeat: all are committed or none.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SubsecRound, Utc};
use futures_util::future::join;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, EntityTrait, FromQueryResult, PrimaryKeyTrait, QuerySelect,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ctx::{Actor, Ctx};
use crate::db::batch::{Batch, Rows};
use crate::db::recent::{Parts, Written};
use crate::db::writer::Turn;
use crate::db::{Db, Fence, Txn, Values, execute, query_one};
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
    turn: Turn,
    db: Db,
    ctx: Ctx,
    now: DateTime<Utc>,
    changes: Vec<Change>,
    /// What shows something else from now on, beside what changed.
    touched: Vec<(&'static str, Uuid)>,
    events: Vec<Event>,
    /// The lease that has to be held still when this commits.
    fence: Option<Fence>,
    /// What can be recalled once this has committed.
    written: Vec<Written>,
    /// What is written with that which tells of the change.
    end: Mutex<Batch>,
}

impl Deref for Tx {
    type Target = Txn;
    fn deref(&self) -> &Txn {
        self.turn.txn()
    }
}

impl Tx {
    pub(super) fn new(turn: Turn, db: Db, ctx: Ctx) -> Self {
        // As exact as every database keeps it.
        let now = Utc::now().trunc_subsecs(6);
        Tx {
            turn,
            db,
            ctx,
            now,
            changes: Vec::new(),
            touched: Vec::new(),
            events: Vec::new(),
            fence: None,
            written: Vec::new(),
            end: Mutex::default(),
        }
    }

    pub(super) fn proving(self, fence: Option<Fence>) -> Self {
        Tx { fence, ..self }
    }

    /// The database this is a transaction of.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The request this belongs to.
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// The one moment at which all of this happens.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// A row by its key, to be changed: others who lock it wait until this ends.
    pub async fn lock<E: EntityTrait>(
        &self,
        id: impl Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType> + Send,
    ) -> Result<Option<E::Model>> {
        Ok(E::find_by_id(id).lock_exclusive().one(self.turn.txn()).await?)
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

    /// Notes that the answer to a read of this changes with this transaction, though no audit
    /// row of it does ([`Db::cached`]).
    pub fn touch(&mut self, resource_type: &'static str, resource_id: Uuid) {
        self.touched.push((resource_type, resource_id));
    }

    /// Notes the parts of the document as this leaves them, to be recalled by whoever finds it
    /// at that version ([`Db::recall`]).
    pub fn remember(&mut self, id: Uuid, version: i64, rows: usize, parts: Parts) {
        self.written.push(Written { id, version, rows, parts });
    }

    /// Inserts rows at the end, in one round trip with what tells of the change: rows that nothing
    /// in this transaction reads, and that are not refused for any fault of the caller's.
    pub fn insert_late<A: ActiveModelTrait>(
        &self,
        rows: impl IntoIterator<Item = A>,
    ) -> Result<()> {
        self.end().insert_rows(rows)
    }

    /// Runs a statement at the end, in the same round trip, so that others wait that much shorter
    /// for the rows it changes. It has to touch as many `rows`, or all is undone.
    pub async fn conclude(&self, values: Values, sql: String, rows: u64) -> Result<()> {
        self.settle().await?;
        self.end().conclude(values, sql, rows);
        Ok(())
    }

    /// Runs now what waits for the end, if anything does: for who reads what it changes.
    pub async fn settle(&self) -> Result<()> {
        let batch = std::mem::take(&mut *self.end());
        batch.run(self.turn.txn()).await
    }

    fn end(&self) -> MutexGuard<'_, Batch> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
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
            traceparent: Some(self.ctx.trace.traceparent().to_owned()),
            causation_id: self.ctx.causation_id,
            actor: self.ctx.actor.clone(),
            previous: None,
            attempts: 0,
            data: serde_json::to_value(data)?,
        });
        Ok(())
    }

    /// Stores the answer under the caller's key, if there is one, and commits.
    pub async fn reply(self, reply: Reply) -> Result<Reply> {
        if let Some(key) = &self.ctx.idempotency {
            let mut row = Rows::new(8);
            row.push([
                key.scope.as_ref().into(),
                key.key.as_ref().into(),
                key.body_hash.get().cloned().unwrap_or_default().into(),
                i64::from(reply.status).into(),
                reply.etag.into(),
                reply.location.clone().into(),
                reply.body.as_str().into(),
                self.now.into(),
            ]);
            let sql = "INSERT INTO idempotency_keys \
                       (scope, key, body_hash, status, etag, location, body, created_at) VALUES ";
            self.end().insert(sql, row);
        }
        self.commit().await?;
        Ok(reply)
    }

    /// Writes audit rows and events, commits, and wakes the relay.
    pub async fn commit(self) -> Result<()> {
        let mut batch = std::mem::take(&mut *self.end());
        let head = self.add_audit(&mut batch).await?;
        let woken = self.add_events(&mut batch)?;
        let changed = self.changes.iter().map(|change| (change.resource_type, change.resource_id));
        let changed = changed.chain(self.touched.iter().copied());
        let (written, stale) =
            join(batch.run(self.turn.txn()), self.db.cache().begin_change(changed)).await;
        let proven = match (written, self.fence) {
            (Ok(()), Some(fence)) => fence.check(self.turn.txn()).await,
            (written, _) => written,
        };
        let committed = match proven {
            Ok(()) => self.turn.finish(head).await,
            Err(error) => Err(error),
        };
        stale.end().await;
        committed?;
        self.written.into_iter().for_each(|written| self.db.0.recent.note(written));
        woken.into_iter().for_each(|subscriber| self.db.wake(subscriber));
        Ok(())
    }

    pub(super) async fn is_first_delivery(&self, event: &Event) -> Result<bool> {
        let sql = "INSERT INTO inbox (event_id, type, applied_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (event_id) DO NOTHING";
        let values = vec![event.id.into(), event.kind.as_str().into(), self.now.into()];
        Ok(execute(&**self, sql, values).await? == 1)
    }

    /// Adds the audit rows to a chain and returns its new end, if there are any and this is
    /// the only writer. Where there are many, the database makes the links.
    async fn add_audit(&self, batch: &mut Batch) -> Result<Option<AuditHead>> {
        let Some(first) = self.changes.first() else {
            return Ok(None);
        };
        let mut head = match (self.turn.is_alone(), self.turn.audit_head()) {
            (false, _) => None,
            (true, Some(known)) => Some(known.clone()),
            (true, None) => Some(AuditHead::read(&**self, 0).await?),
        };
        // Writers that do not wait for each other do not share a chain either, as a rule.
        let chain = match head {
            Some(_) => 0,
            None => i64::from(first.resource_id.as_bytes()[15] % CHAINS),
        };
        let mut rows = Rows::new(15);
        for change in &self.changes {
            let said = self.said(change)?;
            let (seq, prev_hash, hash) = match &mut head {
                None => (0, String::new(), said),
                Some(head) => {
                    let hash = link(&head.hash, &said);
                    let prev_hash = std::mem::replace(&mut head.hash, hash.clone());
                    head.seq += 1;
                    (head.seq, prev_hash, hash)
                }
            };
            rows.push([
                chain.into(),
                seq.into(),
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
                hash.into(),
            ]);
        }
        let sql = "INSERT INTO audit_log (chain, seq, occurred_at, actor_kind, actor_id, \
                   actor_name, request_id, operation, resource_type, resource_id, reason, \
                   before, after, prev_hash, hash) VALUES ";
        batch.insert(sql, rows);
        Ok(head)
    }

    fn said(&self, change: &Change) -> Result<String> {
        said(
            self.now,
            &self.ctx.actor,
            (&self.ctx.request_id, &self.ctx.operation),
            (change.resource_type, change.resource_id, self.ctx.reason.as_deref()),
            (change.before.as_deref(), change.after.as_deref()),
        )
    }

    /// Adds the events and returns who listens to them.
    fn add_events(&self, batch: &mut Batch) -> Result<BTreeSet<&'static str>> {
        let mut listeners = BTreeSet::new();
        if self.events.is_empty() {
            return Ok(listeners);
        }
        let subscribers: HashMap<_, _> = self.db.subscriptions().iter().copied().collect();
        let mut events = Rows::new(11);
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
                event.traceparent.as_deref().into(),
                event.causation_id.into(),
                serde_json::to_string(&event.actor)?.into(),
                event.data.to_string().into(),
            ]);
            for subscriber in subscribers.get(event.kind.as_str()).copied().unwrap_or_default() {
                listeners.insert(*subscriber);
                outbox.push([
                    event.id.into(),
                    (*subscriber).into(),
                    event.aggregate_id.into(),
                    self.now.into(),
                ]);
            }
        }
        let sql = "INSERT INTO events (id, type, version, occurred_at, aggregate_id, \
                   aggregate_version, correlation_id, traceparent, causation_id, actor, data) VALUES ";
        batch.insert(sql, events);
        let sql =
            "INSERT INTO outbox (event_id, subscriber, aggregate_id, next_attempt_at) VALUES ";
        batch.insert(sql, outbox);
        Ok(listeners)
    }
}

/// The answer stored under the caller's key, if there is one.
pub(super) async fn stored_reply(conn: &impl ConnectionTrait, ctx: &Ctx) -> Result<Option<Reply>> {
    let Some(key) = &ctx.idempotency else {
        return Ok(None);
    };
    let sql = "SELECT body_hash, status, etag, location, body FROM idempotency_keys \
               WHERE key = $1 AND scope = $2";
    let values = vec![key.key.as_ref().into(), key.scope.as_ref().into()];
    let Some(stored) = query_one::<Stored, _>(conn, sql, values).await? else {
        return Ok(None);
    };
    if stored.body_hash != key.body_hash.get().cloned().unwrap_or_default() {
        return Err(Error::new(
            422,
            "idempotency_key_reused",
            "this Idempotency-Key was used with another body",
        ));
    }
    Ok(Some(Reply {
        status: stored.status as u16,
        etag: stored.etag,
        location: stored.location,
        body: stored.body,
        replayed: true,
    }))
}

/// Audit chains a module has, where many write.
const CHAINS: u8 = 16;

/// The end of an audit chain. A sole writer knows the one this process wrote last; should
/// another process have written meanwhile, the table refuses the fork.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub(super) struct AuditHead {
    seq: i64,
    hash: String,
}

impl AuditHead {
    /// As the table has it.
    pub(super) async fn read(conn: &impl ConnectionTrait, chain: i64) -> Result<Self> {
        let sql = "SELECT seq, hash FROM audit_log WHERE chain = $1 ORDER BY seq DESC LIMIT 1";
        Ok(query_one(conn, sql, vec![chain.into()]).await?.unwrap_or_default())
    }
}

/// Everything an audit row says, as JSON without the bracket that opens it: the hash before
/// comes first.
pub(super) fn said(
    occurred_at: DateTime<Utc>,
    actor: &Actor,
    (request_id, operation): (&str, &str),
    (resource_type, resource_id, reason): (&str, Uuid, Option<&str>),
    (before, after): (Option<&str>, Option<&str>),
) -> Result<String> {
    let resource = (resource_type, resource_id, reason);
    let said = (occurred_at, actor, request_id, operation, resource, (before, after));
    Ok(serde_json::to_string(&said)?.replacen('[', "", 1))
}

/// SHA-256 over the previous hash and everything a row says.
pub(super) fn link(prev_hash: &str, said: &str) -> String {
    let whole = Sha256::new().chain_update("[\"").chain_update(prev_hash);
    crate::http::hex(&whole.chain_update("\",").chain_update(said).finalize())
}

#[derive(FromQueryResult)]
struct Stored {
    body_hash: String,
    status: i64,
    etag: Option<i64>,
    location: Option<String>,
    body: String,
}
