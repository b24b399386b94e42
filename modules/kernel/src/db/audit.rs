//! The audit log of a module: read with filters, and recomputed to see that nobody touched it.

use chrono::{DateTime, Utc};
use sea_orm::{FromQueryResult, Value as SqlValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::ctx::{Actor, Ctx};
use crate::date::check_date;
use crate::db::tx::{link, said};
use crate::db::{Db, Tx, query_all, query_one};
use crate::error::{Error, Result};
use crate::page::{Cursor, Limit, Page, PageRequest, Sort};
use crate::text::Text;

/// Rows read at a time to be recomputed.
const BATCH: i64 = 500;
/// Rows recomputed for one request.
const MAX_VERIFIED: i64 = 100_000;
/// Broken rows told of.
const MAX_TOLD: usize = 20;

/// Who changed what, when, on whose request, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditRow {
    pub id: i64,
    pub occurred_at: DateTime<Utc>,
    pub actor: Actor,
    /// As in `x-request-id` and in the log.
    pub request_id: String,
    /// The operation, such as `confirm_order`, or the job.
    #[schema(example = "confirm_order")]
    pub operation: String,
    #[schema(example = "order")]
    pub resource_type: String,
    pub resource_id: Uuid,
    /// What the caller gave as `X-Reason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The resource before; absent for something new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// And after; absent for something gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// The chain it is a link of, its place there, and its hash.
    pub chain: i64,
    pub seq: i64,
    pub hash: String,
}

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAudit {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only of this resource.
    pub resource_id: Option<Uuid>,
    /// Only of this kind of resource, such as `order`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    pub resource_type: Option<Text<1, 64>>,
    /// Only what this user did.
    pub actor_id: Option<Uuid>,
    /// Only of this operation, such as `confirm_order`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    pub operation: Option<Text<1, 64>>,
    /// Only of this request.
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    pub request_id: Option<Text<1, 64>>,
    /// Only from this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Only before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// Where recomputing begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerifyAudit {
    /// `next` of the answer before; absent for the beginning.
    pub after: Option<String>,
}

/// What came of recomputing every row's hash.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditVerdict {
    /// Whether every row looked at says what it said when it was written.
    pub is_whole: bool,
    /// Rows looked at.
    pub rows: i64,
    /// At most 20 of those that do not, in their order.
    pub broken: Vec<BrokenRow>,
    /// Ends of the chains looked at. Kept elsewhere, they also tell later whether the newest
    /// rows are missing, which no chain shows by itself.
    pub heads: Vec<ChainHead>,
    /// Give it as `after` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0:100000")]
    pub next: Option<String>,
}

/// A row that was changed, or whose neighbour was.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenRow {
    pub id: i64,
    pub chain: i64,
    pub seq: i64,
    /// `hash`: it does not say what it said. `link`: it does not follow the one before it.
    #[schema(value_type = String, example = "hash")]
    pub what: &'static str,
}

/// The newest row of a chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChainHead {
    pub chain: i64,
    pub seq: i64,
    pub hash: String,
}

#[derive(FromQueryResult)]
struct Row {
    id: i64,
    chain: i64,
    seq: i64,
    occurred_at: DateTime<Utc>,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_name: String,
    request_id: String,
    operation: String,
    resource_type: String,
    resource_id: Uuid,
    reason: Option<String>,
    before: Option<String>,
    after: Option<String>,
    prev_hash: String,
    hash: String,
}

const SELECT: &str = "SELECT id, chain, seq, occurred_at, actor_kind, actor_id, actor_name, \
    request_id, operation, resource_type, resource_id, reason, before, after, prev_hash, hash \
    FROM audit_log";

/// The four-eyes principle: refuses whoever entered this, or changed it, as the audit log has
/// it; somebody else has to approve it. Who a key acts for is the same person.
///
/// What an event changed is in the name of whoever caused the event, who may never have seen
/// this: it does not count. Its operation is the event's type, with dots; those of requests
/// have none.
pub async fn check_four_eyes(tx: &Tx, resource_id: Uuid) -> Result<()> {
    let sql = "SELECT COUNT(*) AS n FROM audit_log \
        WHERE resource_id = $1 AND actor_id = $2 AND operation NOT LIKE '%.%'";
    let values = vec![resource_id.into(), tx.ctx().actor.id.into()];
    let found: Option<Count> = query_one(&**tx, sql, values).await?;
    if found.is_none_or(|found| found.n == 0) {
        return Ok(());
    }
    let detail = "somebody else has to approve what you entered or changed";
    Err(Error::new(403, "segregation_of_duties", detail))
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

/// Rows of a module, the newest first unless asked otherwise.
pub async fn list(db: &Db, query: ListAudit) -> Result<Page<AuditRow>> {
    let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
    let (order, beyond) = match query.sort {
        Sort::NewestFirst => ("DESC", "id <"),
        Sort::OldestFirst => ("ASC", "id >"),
    };
    for (moment, field) in [(query.from, "?from"), (query.to, "?to")] {
        moment.map_or(Ok(()), |moment| check_date(moment, field))?;
    }
    // A cursor holds a UUID: the number is one as well.
    let after = request.after("audit")?.map(|id| id.as_u128() as i64);
    let filters: [(&str, Option<SqlValue>); 8] = [
        (beyond, after.map(Into::into)),
        ("resource_id =", query.resource_id.map(Into::into)),
        ("resource_type =", query.resource_type.map(Into::into)),
        ("actor_id =", query.actor_id.map(Into::into)),
        ("operation =", query.operation.map(Into::into)),
        ("request_id =", query.request_id.map(Into::into)),
        ("occurred_at >=", query.from.map(Into::into)),
        ("occurred_at <", query.to.map(Into::into)),
    ];
    let mut sql = SELECT.to_owned();
    let mut values = Vec::new();
    for (condition, value) in filters {
        let Some(value) = value else { continue };
        values.push(value);
        let word = if values.len() == 1 { "WHERE" } else { "AND" };
        sql += &format!(" {word} {condition} ${}", values.len());
    }
    sql += &format!(" ORDER BY id {order} LIMIT {}", request.limit.rows() + 1);
    let rows: Vec<Row> = query_all(db.read(), sql, values).await?;
    let id_of = |row: &Row| Uuid::from_u128(row.id as u128);
    Ok(Page::cut(rows, id_of, "audit", &request).map(Row::view))
}

/// Recomputes what every row's hash should be, chain by chain: a changed byte, a row that is
/// missing in between or one that was put there shows.
pub async fn verify(db: &Db, ctx: &Ctx, query: VerifyAudit) -> Result<AuditVerdict> {
    let mut verdict =
        AuditVerdict { is_whole: true, rows: 0, broken: Vec::new(), heads: Vec::new(), next: None };
    let mut at = query.after.as_deref().map_or(Ok((0, 0)), read_place)?;
    let mut before: Option<(i64, i64, String)> = match at {
        (_, 0) => None,
        (chain, seq) => {
            let sql = format!("{SELECT} WHERE chain = $1 AND seq = $2");
            let found: Vec<Row> = query_all(db.read(), sql, vec![chain.into(), seq.into()]).await?;
            found.into_iter().next().map(|row| (row.chain, row.seq, row.hash))
        }
    };
    let sql = format!(
        "{SELECT} WHERE chain > $1 OR (chain = $1 AND seq > $2) ORDER BY chain, seq LIMIT {BATCH}"
    );
    loop {
        let values = vec![at.0.into(), at.1.into()];
        let rows: Vec<Row> = query_all(db.read(), sql.as_str(), values).await?;
        let is_last = rows.len() < BATCH as usize;
        for row in rows {
            let previous = before.as_ref().filter(|(chain, ..)| *chain == row.chain);
            let (last_seq, last_hash) =
                previous.map_or((0, ""), |(_, seq, hash)| (*seq, hash.as_str()));
            let what = if link(&row.prev_hash, &row.said()?) != row.hash {
                Some("hash")
            } else if row.seq != last_seq + 1 || row.prev_hash != last_hash {
                Some("link")
            } else {
                None
            };
            if let Some(what) = what {
                verdict.is_whole = false;
                if verdict.broken.len() < MAX_TOLD {
                    let Row { id, chain, seq, .. } = row;
                    verdict.broken.push(BrokenRow { id, chain, seq, what });
                }
            }
            if let Some((chain, seq, hash)) = before.take().filter(|(c, ..)| *c != row.chain) {
                verdict.heads.push(ChainHead { chain, seq, hash });
            }
            verdict.rows += 1;
            at = (row.chain, row.seq);
            before = Some((row.chain, row.seq, row.hash));
        }
        if is_last {
            let last = before.map(|(chain, seq, hash)| ChainHead { chain, seq, hash });
            verdict.heads.extend(last);
            return Ok(verdict);
        }
        if verdict.rows >= MAX_VERIFIED || ctx.time_left().as_secs() < 5 {
            verdict.next = Some(format!("{}:{}", at.0, at.1));
            return Ok(verdict);
        }
    }
}

fn read_place(text: &str) -> Result<(i64, i64)> {
    let place = text.split_once(':').and_then(|(chain, seq)| {
        Some((chain.parse().ok()?, seq.parse().ok()?))
            .filter(|(chain, seq)| *chain >= 0 && *seq >= 0)
    });
    place.ok_or_else(|| {
        let detail = "must be `next` of the answer before";
        Error::bad_request("invalid_query", detail).with_field("?after", "invalid_value", detail)
    })
}

impl Row {
    fn said(&self) -> Result<String> {
        let actor = self.actor();
        said(
            self.occurred_at,
            &actor,
            (&self.request_id, &self.operation),
            (&self.resource_type, self.resource_id, self.reason.as_deref()),
            (self.before.as_deref(), self.after.as_deref()),
        )
    }

    fn actor(&self) -> Actor {
        let (kind, name) = (self.actor_kind.clone(), self.actor_name.clone());
        Actor { kind, id: self.actor_id, name }
    }

    fn view(self) -> AuditRow {
        // What is not JSON was not written by us: it is shown as it is.
        let json = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        AuditRow {
            id: self.id,
            occurred_at: self.occurred_at,
            actor: self.actor(),
            request_id: self.request_id,
            operation: self.operation,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            reason: self.reason,
            before: self.before.map(json),
            after: self.after.map(json),
            chain: self.chain,
            seq: self.seq,
            hash: self.hash,
        }
    }
}
