//! Period locks: the days that are closed to the journal.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::PeriodLockId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::period_lock::{PeriodLockKind, PeriodLockStatus};
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_period_locks)
        .service(get_period_lock)
        .service(create_period_lock)
        .service(reopen_period_lock);
}

/// Closes the books: nothing is posted on `through` or before it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PeriodLock {
    pub id: PeriodLockId,
    /// The last day that is closed.
    pub through: NaiveDate,
    pub kind: PeriodLockKind,
    pub status: PeriodLockStatus,
    /// Why it was closed.
    pub reason: String,
    pub closed_at: DateTime<Utc>,
    pub reopened_at: Option<DateTime<Utc>>,
    /// Why it was reopened.
    pub reopen_reason: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["reopen"]))]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for PeriodLock {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A period to be closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPeriodLock {
    /// The last day of it, which is over (UTC). All days before are closed as well.
    pub through: NaiveDate,
    pub kind: PeriodLockKind,
    pub reason: Note,
}

/// A period to be opened again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReopenPeriodLock {
    pub reason: Note,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPeriodLocks {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
}

impl ListPeriodLocks {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// List period locks
///
/// Those that were reopened as well. Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Period locks",
    params(ListPeriodLocks),
    responses((status = 200, body = Page<PeriodLock>)),
    extensions(("x-permission" = json!("billing.period_lock:read")))
)]
#[get("/period-locks")]
async fn list_period_locks(service: Data<Service>, query: Query<ListPeriodLocks>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_period_locks(query.0).await?))
}

/// Get period lock
#[utoipa::path(
    tag = "Period locks",
    params(("id" = PeriodLockId, Path)),
    responses((status = 200, body = PeriodLock)),
    extensions(("x-permission" = json!("billing.period_lock:read")))
)]
#[get("/period-locks/{id}")]
async fn get_period_lock(service: Data<Service>, id: Path<PeriodLockId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.period_lock(*id).await?));
    service.db.cached("period_lock", id.uuid(), read).await
}

/// Close period
///
/// From now on nothing is posted on `through` or before it: documents dated then are refused
/// with 422 `period_closed`. What posts by itself, and bills that are approved later, are posted
/// on the first open day, and the entry keeps their own day as `document_on`.
/// - `soft`: whoever has the permission `billing.period_lock:override` and says why in
///   `X-Reason` posts all the same; the entry keeps it as `exception_reason`. It can be reopened.
/// - `hard`: for ever. It may follow a soft one of the same days.
/// - Errors: 409 `period_already_closed` with `params.closed_through`; 422 `period_not_over`,
///   `date_out_of_range`.
/// - Emits `billing.period.locked`.
#[utoipa::path(
    tag = "Period locks",
    request_body = NewPeriodLock,
    responses((status = 201, body = PeriodLock)),
    extensions(
        ("x-permission" = json!("billing.period_lock:create")),
        ("x-errors" = json!(["period_already_closed", "period_not_over", "date_out_of_range"]))
    )
)]
#[post("/period-locks")]
async fn create_period_lock(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewPeriodLock>,
) -> Result<Reply> {
    service.create_period_lock(&ctx, body.0).await
}

/// Reopen period
///
/// Takes a soft lock back, the latest first: what it closed beyond the one before it is open
/// again.
/// - Errors: 409 `illegal_transition`, `period_locked_hard`, `later_period_closed` with
///   `params.closed_through`.
#[utoipa::path(
    tag = "Period locks",
    params(("id" = PeriodLockId, Path)),
    request_body = ReopenPeriodLock,
    responses((status = 200, body = PeriodLock)),
    extensions(
        ("x-permission" = json!("billing.period_lock:reopen")),
        ("x-needs" = json!(["if-match", "step-up"])),
        ("x-errors" = json!(["illegal_transition", "period_locked_hard", "later_period_closed"]))
    )
)]
#[post("/period-locks/{id}/reopen")]
async fn reopen_period_lock(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PeriodLockId>,
    body: Json<ReopenPeriodLock>,
) -> Result<Reply> {
    service.reopen_period_lock(&ctx, *id, body.0).await
}
