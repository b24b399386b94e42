//! Files that come in: taken, looked after, and worked on by a job.

mod counts;
mod importer;
mod product_rules;
mod products;
mod run;
mod source;
mod stock;

use chrono::{TimeDelta, Utc};
use contracts::ids::ImportId;
use kernel::db::{Tx, execute};
use kernel::http::{Reply, Upload};
use kernel::page::{Page, PageRequest, fetch};
use kernel::table::Cells;
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::Value;

use crate::entities::import::{self, FileResource, FileStatus, MACHINE};
use crate::entities::import_error;
use crate::error::Error;
use crate::routes::imports::{CreateImport, Import, ListImportErrors, ListImports};
use crate::service::Service;

/// Pieces of a file whose import never came to be are thrown away after so long.
const LOST_AFTER: TimeDelta = TimeDelta::hours(1);

/// Tries of the transaction that takes a file in: the request itself cannot be done anew, since
/// nobody keeps its body.
const ATTEMPTS: u32 = 4;

impl Service {
    pub(crate) async fn list_imports(&self, query: ListImports) -> Result<Page<Import>> {
        use import::{Column, Entity, Model};
        let mut select = Entity::find();
        if let Some(resource) = query.resource {
            select = select.filter(Column::Resource.eq(resource));
        }
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        let page = fetch(self.db.read(), select, Column::Id, id_of, "imports", &request).await?;
        Ok(page.map(Import::from))
    }

    pub(crate) async fn import(&self, id: ImportId) -> Result<import::Model> {
        let found = import::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| KernelError::not_found("import", id))
    }

    pub(crate) async fn list_import_errors(
        &self,
        id: ImportId,
        query: ListImportErrors,
    ) -> Result<Page<import_error::Model>> {
        use import_error::{Column, Entity, Model};
        self.import(id).await?;
        let select = Entity::find().filter(Column::ImportId.eq(id));
        let sort = kernel::page::Sort::OldestFirst;
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort };
        let id_of = |row: &Model| row.id;
        fetch(self.db.read(), select, Column::Id, id_of, "import_errors", &request).await
    }

    /// Takes a file in. Its pieces are stored as they come; that there is an import of them is
    /// said when all of them are there.
    pub(crate) async fn create_import(
        &self,
        ctx: &Ctx,
        mut upload: Upload,
        query: CreateImport,
    ) -> Result<Reply> {
        for permission in query.resource.import_permissions() {
            if !ctx.permissions.allow(permission) {
                return Err(KernelError::forbidden(permission));
            }
        }
        if (query.resource == FileResource::Counts) != query.stock_count_id.is_some() {
            return Err(Error::StockCountUnclear.into());
        }
        if let Some(id) = query.stock_count_id {
            self.stock_count(id).await.map_err(|_| Error::UnknownStockCount)?;
        }
        let id = ImportId::new();
        let stored = self.store_pieces(ctx, &mut upload, id).await;
        let created = match stored {
            Ok(()) => self.begin_import(ctx, &upload, query, id).await,
            Err(error) => Err(error),
        };
        if created.is_err() {
            // A repeat, or a refusal: nobody will ask for them.
            let tx = self.db.begin(ctx).await?;
            forget_pieces(&tx, id).await?;
            tx.commit().await?;
        }
        created
    }

    async fn store_pieces(&self, ctx: &Ctx, upload: &mut Upload, id: ImportId) -> Result<()> {
        let mut position = 0_i64;
        while let Some(piece) = upload.next(self.config.import_max_bytes).await? {
            let tx = self.db.begin(ctx).await?;
            let sql = "INSERT INTO import_pieces (import_id, position, bytes, created_at) \
                       VALUES ($1, $2, $3, $4)";
            let values = vec![id.into(), position.into(), piece.to_vec().into(), tx.now().into()];
            execute(&*tx, sql, values).await?;
            tx.commit().await?;
            position += 1;
        }
        Ok(())
    }

    async fn begin_import(
        &self,
        ctx: &Ctx,
        upload: &Upload,
        query: CreateImport,
        id: ImportId,
    ) -> Result<Reply> {
        let mut attempt = 1;
        loop {
            match self.try_begin_import(ctx, upload, &query, id).await {
                Err(error) if error.code() == "transaction_aborted" => {
                    if attempt == ATTEMPTS {
                        let detail = "the database is busy, try again";
                        let busy = KernelError::unavailable("database_busy", detail, 1);
                        return Err(busy.with_source(error));
                    }
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn try_begin_import(
        &self,
        ctx: &Ctx,
        upload: &Upload,
        query: &CreateImport,
        id: ImportId,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let model = import::Model {
            id,
            resource: query.resource,
            format: upload.format,
            policy: query.policy,
            is_dry_run: query.dry_run,
            stock_count_id: query.stock_count_id,
            reason: query.reason.as_deref().unwrap_or("Import").to_owned(),
            status: FileStatus::Queued,
            // At most `import_max_bytes`, which a file has been found to fit in.
            bytes: i64::try_from(upload.bytes()).unwrap_or(i64::MAX),
            last_row: 0,
            rows_read: 0,
            rows_created: 0,
            rows_updated: 0,
            rows_unchanged: 0,
            rows_failed: 0,
            actor: serde_json::to_string(&ctx.actor)?,
            request_id: ctx.request_id.to_string(),
            created_at: tx.now(),
            updated_at: tx.now(),
            started_at: None,
            ended_at: None,
        };
        let import = Import::from(model.into_active_model().insert(&*tx).await?);
        tx.audit_new("import", id.uuid(), &import)?;
        let location = format!("/api/v1/inventory/imports/{id}");
        tx.reply(Reply::accepted_at(&import, location)).await
    }

    pub(crate) async fn cancel_import(&self, ctx: &Ctx, id: ImportId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<import::Entity>(id).await?;
        let before = found.ok_or_else(|| KernelError::not_found("import", id))?;
        let status = MACHINE.apply(before.status, "cancel")?;
        forget_pieces(&tx, id).await?;
        let (updated_at, ended_at) = (tx.now(), Some(tx.now()));
        let after = import::Model { status, updated_at, ended_at, ..before.clone() };
        let after = after.into_active_model().reset_all().update(&*tx).await?;
        let after = Import::from(after);
        tx.audit("import", id.uuid(), Some(&Import::from(before)), Some(&after))?;
        tx.reply(Reply::plain(&after)).await
    }

    /// Throws away pieces of files whose upload broke off.
    pub(crate) async fn forget_lost_pieces(&self, ctx: &Ctx) -> Result<()> {
        let tx = self.db.begin(ctx).await?;
        // Of an upload that is still coming the newest piece is young, however old the first is.
        let sql = "DELETE FROM import_pieces WHERE NOT EXISTS \
                   (SELECT 1 FROM imports i WHERE i.id = import_pieces.import_id) AND NOT EXISTS \
                   (SELECT 1 FROM import_pieces p WHERE p.import_id = import_pieces.import_id \
                   AND p.created_at >= $1)";
        execute(&*tx, sql, vec![(Utc::now() - LOST_AFTER).into()]).await?;
        tx.commit().await
    }
}

/// The text in a column, or nothing.
fn text_of(row: &Cells, column: &str) -> String {
    row.get(column).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Throws a file away.
async fn forget_pieces(tx: &Tx, id: ImportId) -> Result<()> {
    execute(&**tx, "DELETE FROM import_pieces WHERE import_id = $1", vec![id.into()]).await?;
    Ok(())
}

impl FileResource {
    /// What whoever imports it needs beside: what they would need to do it by hand.
    fn import_permissions(self) -> &'static [&'static str] {
        match self {
            FileResource::Products => &["inventory.product:create", "inventory.product:update"],
            FileResource::Stock => &["inventory.stock:receive"],
            FileResource::Counts => &["inventory.stock_count:record"],
        }
    }
}

impl From<import::Model> for Import {
    fn from(model: import::Model) -> Self {
        Import {
            id: model.id,
            resource: model.resource,
            format: model.format,
            policy: model.policy,
            is_dry_run: model.is_dry_run,
            stock_count_id: model.stock_count_id,
            reason: model.reason,
            status: model.status,
            allowed_actions: MACHINE.allowed_actions(model.status),
            bytes: model.bytes,
            rows_read: model.rows_read,
            rows_created: model.rows_created,
            rows_updated: model.rows_updated,
            rows_unchanged: model.rows_unchanged,
            rows_failed: model.rows_failed,
            created_at: model.created_at,
            updated_at: model.updated_at,
            started_at: model.started_at,
            ended_at: model.ended_at,
        }
    }
}
