//! The work on a file. Whatever a transaction did, and how far it is with that, is committed
//! together, so that whoever goes on after a crash does nothing twice.

use contracts::ids::ImportId;
use kernel::db::{Tx, execute, insert_all};
use kernel::table::RowError;
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Value};
use uuid::Uuid;

use super::counts::Counts;
use super::forget_pieces;
use super::importer::{Importer, Outcome, Stop, leave_out};
use super::products::Products;
use super::source::{Batch, Source};
use super::stock::Stock;
use crate::entities::import::{self, FileResource, FileStatus, ImportPolicy};
use crate::entities::import_error;
use crate::routes::imports::Import;
use crate::service::Service;

/// Rows of one transaction, or of one step of the only one.
const BATCH: usize = 1000;

/// Errors that are kept of one file; the others are counted.
const MAX_ERRORS: i64 = 10_000;

/// The code of what ends the work because somebody cancelled the import.
const CANCELLED: &str = "cancelled";

impl Service {
    /// Works on all imports there are, the oldest first.
    pub(crate) async fn run_imports(&self, job: &Ctx) -> Result<()> {
        use import::{Column, Entity};
        let waiting = Entity::find()
            .filter(Column::Status.is_in([FileStatus::Queued, FileStatus::Running]))
            .order_by_asc(Column::Id);
        while let Some(import) = waiting.clone().one(self.db.read()).await? {
            let id = import.id;
            let importer: Box<dyn Importer + '_> = match import.resource {
                FileResource::Products => Box::new(Products),
                FileResource::Stock => Box::new(Stock { service: self, import: &import }),
                FileResource::Counts => Box::new(Counts { service: self, import: &import }),
            };
            let ctx = acting_for(job, &import)?;
            let work = Work { service: self, ctx: &ctx, import: &import, importer: &*importer };
            match work.run().await {
                Ok(()) => tracing::info!(import.id = %id, "went through a file"),
                Err(error) if error.code() == CANCELLED => {
                    tracing::info!(import.id = %id, "stopped going through a file");
                }
                // Done anew a moment later.
                Err(error) if error.status() == 503 => return Err(error),
                Err(error) => {
                    tracing::error!(import.id = %id, error = ?error, "import failed");
                    let detail = "something failed on our side";
                    let error = RowError::new(0, "", "internal_error", detail);
                    work.end(FileStatus::Failed, vec![error]).await?;
                }
            }
        }
        Ok(())
    }
}

/// The job in the name of who asked for the import.
fn acting_for(job: &Ctx, import: &import::Model) -> Result<Ctx> {
    let mut ctx = job.clone();
    ctx.actor = serde_json::from_str(&import.actor)?;
    ctx.request_id = import.request_id.as_str().into();
    ctx.operation = "create_import".into();
    ctx.reason = Some(import.reason.as_str().into());
    Ok(ctx)
}

struct Work<'a> {
    service: &'a Service,
    ctx: &'a Ctx,
    import: &'a import::Model,
    importer: &'a dyn Importer,
}

impl Work<'_> {
    async fn run(&self) -> Result<()> {
        let is_atomic = self.import.policy == ImportPolicy::Atomic;
        self.start(is_atomic).await?;
        // What is looked at only, and what an earlier run has not finished, begins anew.
        let after = if is_atomic { 0 } else { self.import.last_row };
        let commits = !is_atomic && !self.import.is_dry_run;
        if let Err(error) = self.by_batches(after, commits).await? {
            return self.end(FileStatus::Failed, vec![error]).await;
        }
        if !is_atomic {
            return self.end(FileStatus::Succeeded, Vec::new()).await;
        }
        if self.service.import(self.import.id).await?.rows_failed > 0 {
            return self.end(FileStatus::Failed, Vec::new()).await;
        }
        if self.import.is_dry_run {
            return self.end(FileStatus::Succeeded, Vec::new()).await;
        }
        match self.at_once().await? {
            Ok(()) => Ok(()),
            Err(errors) => self.end(FileStatus::Failed, errors).await,
        }
    }

    async fn start(&self, is_anew: bool) -> Result<()> {
        let tx = self.service.db.begin(self.ctx).await?;
        let id = self.import.id;
        if is_anew {
            forget_errors(&tx, id).await?;
            let sql = "UPDATE imports SET last_row = 0, rows_read = 0, rows_created = 0, \
                       rows_updated = 0, rows_unchanged = 0, rows_failed = 0 WHERE id = $1";
            execute(&*tx, sql, vec![id.into()]).await?;
        }
        let sql = "UPDATE imports SET status = 'running', updated_at = $2, \
                   started_at = COALESCE(started_at, $2) \
                   WHERE id = $1 AND status IN ('queued', 'running')";
        still_wanted(execute(&*tx, sql, vec![id.into(), tx.now().into()]).await?)?;
        tx.commit().await
    }

    /// Goes through the file in steps, each a transaction. The inner error is of the file.
    async fn by_batches(&self, after: i64, commits: bool) -> Result<Result<(), RowError>> {
        let mut source = Source::new(self.import, self.importer, after);
        let conn = self.service.db.read();
        loop {
            match source.next(conn, self.importer, BATCH).await? {
                Ok(Some(batch)) => self.halving(batch, commits).await?,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Rows that cannot be brought in together are brought in by halves, until the one that
    /// stands in the way is alone, or alone with those that must not be brought in without it.
    async fn halving(&self, batch: Batch, commits: bool) -> Result<()> {
        let mut waiting = vec![batch];
        while let Some(mut batch) = waiting.pop() {
            let Err(stop) = self.step(&batch, commits).await? else { continue };
            if batch.groups.len() > 1 {
                let later = batch.split_off(batch.groups.len() / 2);
                waiting.extend([later, batch]);
            } else {
                let rows = batch.groups.drain(..).flatten();
                let numbers: Vec<_> = rows.map(|row| row.number).collect();
                batch.errors.push(culprit(stop, &numbers)?);
                leave_out(&numbers, &mut batch.errors);
                // Nothing is left that could stop it.
                if let Err(stop) = self.step(&batch, commits).await? {
                    return Err(whole(stop));
                }
            }
        }
        Ok(())
    }

    /// One transaction: its rows, what is wrong with them, and how far it is.
    async fn step(&self, batch: &Batch, commits: bool) -> Result<Result<(), Stop>> {
        let mut tx = self.service.db.begin(self.ctx).await?;
        let applies = commits || self.import.is_dry_run || self.importer.must_be_tried();
        let rows = batch.groups.iter().flatten().cloned().collect();
        let mut outcome = match self.importer.work(&mut tx, rows, applies).await {
            Ok(outcome) => outcome,
            Err(Stop::Whole(error)) if error.status() >= 500 => return Err(error),
            Err(stop) => return Ok(Err(stop)),
        };
        if applies && !commits {
            drop(tx);
            tx = self.service.db.begin(self.ctx).await?;
        }
        outcome.errors.extend(batch.errors.iter().cloned());
        outcome.errors.sort_by_key(|error| error.number);
        self.advance(&tx, outcome, batch.last_row()).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// All of it in one transaction, after nothing was found to be wrong.
    async fn at_once(&self) -> Result<Result<(), Vec<RowError>>> {
        let mut source = Source::new(self.import, self.importer, 0);
        let conn = self.service.db.read();
        let mut tx = self.service.db.begin_long(self.ctx).await?;
        let mut total = Outcome::default();
        loop {
            let batch = match source.next(conn, self.importer, BATCH).await? {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(error) => return Ok(Err(vec![error])),
            };
            let rows: Vec<_> = batch.groups.into_iter().flatten().collect();
            let mut numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
            numbers.sort_unstable();
            match self.importer.work(&mut tx, rows, true).await {
                Ok(outcome) if outcome.errors.is_empty() => {
                    total.created += outcome.created;
                    total.updated += outcome.updated;
                    total.unchanged += outcome.unchanged;
                }
                // What others have done meanwhile stands in the way.
                Ok(outcome) => return Ok(Err(outcome.errors)),
                Err(stop) => return Ok(Err(vec![culprit(stop, &numbers)?])),
            }
        }
        let sql = "UPDATE imports SET rows_created = $2, rows_updated = $3, rows_unchanged = $4 \
                   WHERE id = $1";
        let (created, updated) = (total.created.into(), total.updated.into());
        let values = vec![self.import.id.into(), created, updated, total.unchanged.into()];
        execute(&*tx, sql, values).await?;
        self.finish(&mut tx, FileStatus::Succeeded).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Writes down what became of rows, and that those up to `last_row` are dealt with.
    async fn advance(&self, tx: &Tx, outcome: Outcome, last_row: i64) -> Result<()> {
        let id = self.import.id;
        let failed = outcome.errors.len() as i64;
        let read = outcome.created + outcome.updated + outcome.unchanged + failed;
        let values: Vec<Value> = vec![
            id.into(),
            last_row.into(),
            read.into(),
            outcome.created.into(),
            outcome.updated.into(),
            outcome.unchanged.into(),
            failed.into(),
            tx.now().into(),
        ];
        let sql = "UPDATE imports SET last_row = $2, rows_read = rows_read + $3, \
                   rows_created = rows_created + $4, rows_updated = rows_updated + $5, \
                   rows_unchanged = rows_unchanged + $6, rows_failed = rows_failed + $7, \
                   updated_at = $8 WHERE id = $1 AND status = 'running'";
        still_wanted(execute(&**tx, sql, values).await?)?;
        note_errors(tx, id, outcome.errors).await
    }

    /// Ends the import with `errors` in addition to those it has.
    async fn end(&self, status: FileStatus, errors: Vec<RowError>) -> Result<()> {
        let mut tx = self.service.db.begin(self.ctx).await?;
        let id = self.import.id;
        if status == FileStatus::Failed && self.import.policy == ImportPolicy::Atomic {
            let sql = "UPDATE imports SET rows_created = 0, rows_updated = 0, rows_unchanged = 0 \
                       WHERE id = $1";
            execute(&*tx, sql, vec![id.into()]).await?;
        }
        let of_rows = errors.iter().filter(|error| error.number > 1).count() as i64;
        let sql = "UPDATE imports SET rows_failed = rows_failed + $2, \
                   rows_read = CASE WHEN rows_read < rows_failed + $2 THEN rows_failed + $2 \
                   ELSE rows_read END WHERE id = $1";
        execute(&*tx, sql, vec![id.into(), of_rows.into()]).await?;
        note_errors(&tx, id, errors).await?;
        self.finish(&mut tx, status).await?;
        tx.commit().await
    }

    async fn finish(&self, tx: &mut Tx, status: FileStatus) -> Result<()> {
        let id = self.import.id;
        let sql = "UPDATE imports SET status = $2, updated_at = $3, ended_at = $3 \
                   WHERE id = $1 AND status = 'running'";
        let values = vec![id.into(), status.into(), tx.now().into()];
        still_wanted(execute(&**tx, sql, values).await?)?;
        forget_pieces(tx, id).await?;
        let after = import::Entity::find_by_id(id).one(&**tx).await?;
        let after = after.ok_or_else(|| KernelError::not_found("import", id))?;
        let before = Import::from(self.import.clone());
        tx.audit("import", id.uuid(), Some(&before), Some(&Import::from(after)))
    }
}

/// Whether an import was still there to be changed.
fn still_wanted(changed: u64) -> Result<()> {
    match changed {
        0 => Err(KernelError::conflict(CANCELLED, "the import is cancelled")),
        _ => Ok(()),
    }
}

/// Which row stood in the way; an error that no row is to blame for is passed on.
fn culprit(stop: Stop, numbers: &[i64]) -> Result<RowError> {
    match stop {
        Stop::Row(error) => Ok(error),
        Stop::Whole(error) if error.status() >= 500 => Err(error),
        Stop::Whole(error) => {
            let number = numbers.first().copied().unwrap_or_default();
            let mut refusal = RowError::of(number, &error);
            if let [first, .., last] = numbers {
                refusal.detail += &format!(" (one of the rows {first} to {last})");
            }
            Ok(refusal)
        }
    }
}

fn whole(stop: Stop) -> KernelError {
    match stop {
        Stop::Whole(error) => error,
        Stop::Row(error) => KernelError::internal(error.detail),
    }
}

async fn forget_errors(tx: &Tx, id: ImportId) -> Result<()> {
    execute(&**tx, "DELETE FROM import_errors WHERE import_id = $1", vec![id.into()]).await?;
    Ok(())
}

/// Keeps what is wrong with rows, as long as there is not too much of it.
async fn note_errors(tx: &Tx, id: ImportId, errors: Vec<RowError>) -> Result<()> {
    use sea_orm::PaginatorTrait;
    if errors.is_empty() {
        return Ok(());
    }
    let of_import = import_error::Entity::find().filter(import_error::Column::ImportId.eq(id));
    let kept = of_import.count(&**tx).await? as i64;
    let more = usize::try_from(MAX_ERRORS - kept).unwrap_or_default();
    let rows = errors.into_iter().take(more).map(|error| import_error::ActiveModel {
        id: Set(Uuid::now_v7()),
        import_id: Set(id),
        row_number: Set(error.number),
        pointer: Set(error.pointer),
        code: Set(error.code),
        detail: Set(error.detail),
    });
    insert_all(&**tx, rows).await?;
    Ok(())
}
