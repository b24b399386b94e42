//! Events that a subscriber refused too often. Each holds back what came after it of the same
//! aggregate, until somebody has it delivered again or gives it up.

use chrono::{DateTime, Utc};
use sea_orm::{FromQueryResult, Value};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ctx::Ctx;
use crate::db::{Db, execute, query_all, query_one};
use crate::error::{Error, Result};
use crate::http::Reply;

/// As many are listed.
const LISTED: i64 = 100;

/// An event a subscriber refused too often.
#[derive(Clone, Debug, FromQueryResult, Serialize, ToSchema)]
pub struct ParkedEvent {
    /// Of the delivery: an event may be parked for several subscribers.
    pub id: i64,
    pub event_id: Uuid,
    #[schema(example = "orders.shipment.shipped")]
    pub r#type: String,
    /// The module that refused it.
    #[schema(example = "billing")]
    pub subscriber: String,
    /// What it happened to.
    pub aggregate_id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub attempts: i64,
    pub parked_at: DateTime<Utc>,
    /// Why, the last time.
    pub last_error: Option<String>,
    /// Later events of the same aggregate that wait for this one.
    pub waiting: i64,
}

/// Parked events, the oldest first and at most a hundred.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ParkedEvents {
    pub data: Vec<ParkedEvent>,
}

const SELECT: &str = "SELECT o.seq AS id, e.id AS event_id, e.type, o.subscriber, \
    o.aggregate_id, e.occurred_at, o.attempts, o.parked_at, o.last_error, \
    (SELECT COUNT(*) FROM outbox w WHERE w.subscriber = o.subscriber \
        AND w.aggregate_id = o.aggregate_id AND w.seq > o.seq) AS waiting \
    FROM outbox o JOIN events e ON e.id = o.event_id WHERE o.parked_at IS NOT NULL";

/// Those of a module.
pub async fn list(db: &Db) -> Result<ParkedEvents> {
    let sql = format!("{SELECT} ORDER BY o.seq LIMIT {LISTED}");
    Ok(ParkedEvents { data: query_all(db.read(), sql, vec![]).await? })
}

/// Has it delivered again, with as many tries as a new one.
pub async fn replay(db: &Db, ctx: &Ctx, id: i64) -> Result<Reply> {
    let sql = "UPDATE outbox SET parked_at = NULL, attempts = 0, next_attempt_at = $2 \
               WHERE seq = $1 AND parked_at IS NOT NULL";
    settle(db, ctx, id, sql, vec![id.into(), Utc::now().into()]).await
}

/// Gives it up: its subscriber never hears of it, and what waited for it goes on.
pub async fn drop(db: &Db, ctx: &Ctx, id: i64) -> Result<Reply> {
    let sql = "DELETE FROM outbox WHERE seq = $1 AND parked_at IS NOT NULL";
    settle(db, ctx, id, sql, vec![id.into()]).await
}

async fn settle(db: &Db, ctx: &Ctx, id: i64, sql: &str, values: Vec<Value>) -> Result<Reply> {
    let mut tx = db.begin_once(ctx).await?;
    let select = format!("{SELECT} AND o.seq = $1");
    let parked: Option<ParkedEvent> = query_one(&*tx, select, vec![id.into()]).await?;
    let parked = parked.ok_or_else(|| Error::not_found("parked event", id))?;
    if execute(&*tx, sql, values).await? == 0 {
        return Err(Error::not_found("parked event", id));
    }
    tx.audit("parked_event", parked.event_id, Some(&parked), None::<&()>)?;
    let reply = tx.reply(Reply::no_content()).await?;
    db.wake_all();
    Ok(reply)
}
