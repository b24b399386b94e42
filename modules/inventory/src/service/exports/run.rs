//! Making files, a part at a time. A part and how far the file is with it are committed
//! together.

use contracts::ids::ExportId;
use kernel::db::{Tx, execute};
use kernel::page::Cursor;
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::forget_pieces;
use crate::entities::export;
use crate::entities::import::FileStatus;
use crate::service::Service;

/// The code of what ends the work because somebody cancelled the export.
const CANCELLED: &str = "cancelled";

impl Service {
    /// Works on all exports there are, the oldest first.
    pub(crate) async fn run_exports(&self, job: &Ctx) -> Result<()> {
        use export::{Column, Entity};
        let waiting = Entity::find()
            .filter(Column::Status.is_in([FileStatus::Queued, FileStatus::Running]))
            .order_by_asc(Column::Id);
        while let Some(export) = waiting.clone().one(self.db.read()).await? {
            let id = export.id;
            match self.run_export(job, export).await {
                Ok(()) => tracing::info!(export.id = %id, "made a file"),
                Err(error) if error.code() == CANCELLED => {
                    tracing::info!(export.id = %id, "stopped making a file");
                }
                // Done anew a moment later.
                Err(error) if error.status() == 503 => return Err(error),
                Err(error) => {
                    tracing::error!(export.id = %id, error = ?error, "export failed");
                    let tx = self.db.begin(job).await?;
                    forget_pieces(&tx, id).await?;
                    finish(&tx, id, FileStatus::Failed).await?;
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }

    async fn run_export(&self, job: &Ctx, export: export::Model) -> Result<()> {
        let id = export.id;
        let tx = self.db.begin(job).await?;
        let sql = "UPDATE exports SET status = 'running', updated_at = $2, \
                   started_at = COALESCE(started_at, $2) \
                   WHERE id = $1 AND status IN ('queued', 'running')";
        still_wanted(execute(&*tx, sql, vec![id.into(), tx.now().into()]).await?)?;
        tx.commit().await?;
        let cursor = export.list_cursor.as_deref();
        let mut cursor: Option<Cursor> = cursor.map(serde_json::from_str).transpose()?;
        let mut position = export.pieces;
        // An earlier run may have written the last part and not said so.
        while position == 0 || cursor.is_some() {
            let part = self.export_part(job, &export, cursor).await?;
            let next = part.next.as_ref().map(serde_json::to_string).transpose()?;
            let tx = self.db.begin(job).await?;
            let sql = "UPDATE exports SET pieces = pieces + 1, rows_written = rows_written + $3, \
                       bytes = bytes + $4, list_cursor = $5, updated_at = $6 \
                       WHERE id = $1 AND pieces = $2 AND status = 'running'";
            let values = vec![
                id.into(),
                position.into(),
                part.rows.into(),
                (part.text.len() as i64).into(),
                next.into(),
                tx.now().into(),
            ];
            still_wanted(execute(&*tx, sql, values).await?)?;
            let sql = "INSERT INTO export_pieces (export_id, position, bytes) VALUES ($1, $2, $3)";
            let values = vec![id.into(), position.into(), part.text.into_bytes().into()];
            execute(&*tx, sql, values).await?;
            tx.commit().await?;
            (cursor, position) = (part.next, position + 1);
        }
        let tx = self.db.begin(job).await?;
        finish(&tx, id, FileStatus::Succeeded).await?;
        tx.commit().await
    }
}

async fn finish(tx: &Tx, id: ExportId, status: FileStatus) -> Result<()> {
    let sql = "UPDATE exports SET status = $2, updated_at = $3, ended_at = $3, \
               is_forgotten = $4 WHERE id = $1 AND status = 'running'";
    let is_forgotten = status != FileStatus::Succeeded;
    let values = vec![id.into(), status.into(), tx.now().into(), is_forgotten.into()];
    still_wanted(execute(&**tx, sql, values).await?)
}

/// Whether an export was still there to be changed.
fn still_wanted(changed: u64) -> Result<()> {
    match changed {
        0 => Err(KernelError::conflict(CANCELLED, "the export is cancelled")),
        _ => Ok(()),
    }
}
