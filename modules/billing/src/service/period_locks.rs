//! Closing the books through a day, and what is dated in what is closed (domain rule L-5).
//!
//! The journal refuses it by a trigger. What posts by itself has no caller to tell, and a bill
//! keeps the day on the supplier's paper: both go on the first open day.

use chrono::{DateTime, Days, NaiveDate, SubsecRound, Utc};
use contracts::events::PeriodLocked;
use contracts::ids::PeriodLockId;
use kernel::date::check_date;
use kernel::db::{Tx, lock_table, query_all, query_one};
use kernel::http::Reply;
use kernel::machine::{Machine, Transition};
use kernel::page::{Page, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter,
};

use crate::entities::period_lock;
use crate::entities::period_lock::{PeriodLockKind, PeriodLockStatus};
use crate::error::Error;
use crate::routes::period_locks::{ListPeriodLocks, NewPeriodLock, PeriodLock, ReopenPeriodLock};
use crate::service::dates::first_id_of;
use crate::service::{Service, insert_all};

/// What it takes to post through a soft lock.
const OVERRIDE: &str = "billing.period_lock:override";

/// Every transition of a lock. A hard one has none.
pub(crate) const MACHINE: Machine<PeriodLockStatus> = Machine {
    resource: "the period",
    transitions: &[Transition {
        action: "reopen",
        from: &[PeriodLockStatus::Closed],
        to: PeriodLockStatus::Reopened,
    }],
};

impl Service {
    pub(crate) async fn list_period_locks(
        &self,
        query: ListPeriodLocks,
    ) -> Result<Page<PeriodLock>> {
        let select = period_lock::Entity::find();
        let id_of = |row: &period_lock::Model| row.id.uuid();
        let (key, request) = (period_lock::Column::Id, query.page());
        let page = fetch(self.db.read(), select, key, id_of, "period-locks", &request).await?;
        Ok(page.map(present))
    }

    pub(crate) async fn period_lock(&self, id: PeriodLockId) -> Result<PeriodLock> {
        let found = period_lock::Entity::find_by_id(id).one(self.db.read()).await?;
        Ok(present(found.ok_or_else(|| kernel::Error::not_found("period lock", id))?))
    }

    pub(crate) async fn create_period_lock(&self, ctx: &Ctx, new: NewPeriodLock) -> Result<Reply> {
        check_date(new.through, "/through")?;
        let mut tx = self.db.begin_once(ctx).await?;
        // So that the first open day is never in the future.
        if new.through >= tx.now().date_naive() {
            return Err(Error::PeriodNotOver { through: new.through }.into());
        }
        lock_table(&*tx, "period_locks").await?;
        // Waits for those who have posted and not committed; who comes later finds it closed.
        lock_table(&*tx, "journal_entries").await?;
        let locks = held(&tx).await?;
        let conflicting =
            |lock: &&period_lock::Model| lock.kind == PeriodLockKind::Hard || lock.kind == new.kind;
        let last = locks.iter().filter(conflicting).map(|lock| lock.through).max();
        if let Some(last) = last.filter(|last| new.through <= *last) {
            return Err(Error::PeriodAlreadyClosed { last }.into());
        }
        let row = period_lock::Model {
            id: PeriodLockId::new(),
            through: new.through,
            kind: new.kind,
            status: PeriodLockStatus::Closed,
            reason: new.reason.into(),
            closed_at: now_or_last_posted(&tx).await?,
            reopened_at: None,
            reopen_reason: None,
            version: 1,
            updated_at: tx.now(),
        };
        insert_all(&tx, [row.clone()]).await?;
        let event = PeriodLocked {
            period_lock_id: row.id,
            through: row.through,
            is_hard: row.kind == PeriodLockKind::Hard,
        };
        tx.publish(row.id.uuid(), row.version, &event)?;
        let lock = present(row);
        tx.audit_new("period_lock", lock.id.uuid(), &lock)?;
        let location = format!("/api/v1/billing/period-locks/{}", lock.id);
        tx.reply(Reply::created(&lock, location)).await
    }

    pub(crate) async fn reopen_period_lock(
        &self,
        ctx: &Ctx,
        id: PeriodLockId,
        request: ReopenPeriodLock,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        lock_table(&*tx, "period_locks").await?;
        let found = period_lock::Entity::find_by_id(id).one(&*tx).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("period lock", id))?;
        ctx.check_version(before.version)?;
        let status = MACHINE.apply(before.status, "reopen")?;
        let locks = held(&tx).await?;
        let later = locks.iter().filter(|lock| lock.id != id && lock.through >= before.through);
        let later = later.max_by_key(|lock| (lock.kind == PeriodLockKind::Hard, lock.through));
        let is_hard = |lock: &period_lock::Model| lock.kind == PeriodLockKind::Hard;
        match later {
            _ if is_hard(&before) => return Err(Error::PeriodLockedHard.into()),
            Some(later) if is_hard(later) => return Err(Error::PeriodLockedHard.into()),
            Some(later) => return Err(Error::LaterPeriodClosed { last: later.through }.into()),
            None => {}
        }
        let mut model = before.clone().into_active_model();
        model.status = Set(status);
        model.reopened_at = Set(Some(tx.now()));
        model.reopen_reason = Set(Some(request.reason.into()));
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = present(model.update(&*tx).await?);
        tx.audit("period_lock", id.uuid(), Some(&present(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// Refuses a document that is dated in what is closed. Returns why it is posted all the same,
/// where it may be. Today is never closed, so of what is dated today nothing is asked.
pub(crate) async fn check_open(
    tx: &Tx,
    on: NaiveDate,
    pointer: &'static str,
) -> Result<Option<String>> {
    if on >= tx.now().date_naive() {
        return Ok(None);
    }
    let locks = held(tx).await?;
    let closing = locks.into_iter().filter(|lock| lock.through >= on);
    let strictest = closing.max_by_key(|lock| (lock.kind == PeriodLockKind::Hard, lock.through));
    let Some(period_lock::Model { through, kind, .. }) = strictest else {
        return Ok(None);
    };
    let ctx = tx.ctx();
    match ctx.reason.as_deref() {
        Some(reason) if kind == PeriodLockKind::Soft && ctx.permissions.allow(OVERRIDE) => {
            Ok(Some(reason.to_owned()))
        }
        _ => Err(Error::PeriodClosed { pointer, through, kind }.into()),
    }
}

/// The first open day from `on` on.
pub(crate) async fn first_open_day(tx: &Tx, on: NaiveDate) -> Result<NaiveDate> {
    #[derive(FromQueryResult)]
    struct Found {
        closed_through: Option<NaiveDate>,
    }
    let sql = "SELECT MAX(through) AS closed_through FROM period_locks WHERE status = 'closed'";
    let found: Option<Found> = query_one(&**tx, sql, vec![]).await?;
    Ok(open_day(on, found.and_then(|found| found.closed_through)))
}

/// The first day from `on` on that is after all that is closed.
pub(crate) fn open_day(on: NaiveDate, closed_through: Option<NaiveDate>) -> NaiveDate {
    let first = closed_through.map(|last| last.checked_add_days(Days::new(1)).unwrap_or(last));
    first.map_or(on, |first| first.max(on))
}

/// The refusal of an entry whose day was closed after it was looked up: done anew, that is seen.
pub(crate) fn closed_meanwhile(error: DbErr) -> kernel::Error {
    // The words of the trigger.
    match error.to_string().contains("the period is closed") {
        true => kernel::Error::aborted(error),
        false => error.into(),
    }
}

/// The locks that hold. They are few: a year has twelve or so.
async fn held(tx: &Tx) -> Result<Vec<period_lock::Model>> {
    Ok(period_lock::Entity::find()
        .filter(period_lock::Column::Status.eq(PeriodLockStatus::Closed))
        .all(&**tx)
        .await?)
}

/// A moment that no entry there is was made after, whatever clock its process had: only what
/// comes later breaks the law.
async fn now_or_last_posted(tx: &Tx) -> Result<DateTime<Utc>> {
    #[derive(FromQueryResult)]
    struct Made {
        created_at: DateTime<Utc>,
    }
    let since = first_id_of(tx.now().date_naive() - Days::new(1));
    let sql = "SELECT created_at FROM journal_entries WHERE id >= $1 \
        ORDER BY created_at DESC LIMIT 1";
    let made: Vec<Made> = query_all(&**tx, sql, vec![since.into()]).await?;
    let now = Utc::now().trunc_subsecs(6);
    Ok(made.first().map_or(now, |made| made.created_at.max(now)))
}

fn present(row: period_lock::Model) -> PeriodLock {
    let allowed_actions = match row.kind {
        PeriodLockKind::Soft => MACHINE.allowed_actions(row.status),
        PeriodLockKind::Hard => Vec::new(),
    };
    PeriodLock {
        id: row.id,
        through: row.through,
        kind: row.kind,
        status: row.status,
        reason: row.reason,
        closed_at: row.closed_at,
        reopened_at: row.reopened_at,
        reopen_reason: row.reopen_reason,
        allowed_actions,
        version: row.version,
        updated_at: row.updated_at,
    }
}
