//! Files that are made to be fetched: asked for, made by a job, sent as they are read.

mod rows;
mod run;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue};
use actix_web::web::{Bytes, Data};
use chrono::{DateTime, Days, Utc};
use contracts::ids::ExportId;
use futures_util::stream::try_unfold;
use kernel::db::{Tx, execute, query_all, query_one};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::table::{Format, stream};
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
};

use crate::entities::export::{self, MACHINE};
use crate::entities::import::{FileResource, FileStatus};
use crate::entities::warehouse;
use crate::error::Error;
use crate::routes::exports::{CreateExport, Export, ListExports};
use crate::service::Service;

#[derive(FromQueryResult)]
struct Piece {
    bytes: Vec<u8>,
}

#[derive(FromQueryResult)]
struct Old {
    id: ExportId,
}

impl Service {
    pub(crate) async fn list_exports(&self, query: ListExports) -> Result<Page<Export>> {
        use export::{Column, Entity, Model};
        let mut select = Entity::find();
        if let Some(resource) = query.resource {
            select = select.filter(Column::Resource.eq(resource));
        }
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        let page = fetch(self.db.read(), select, Column::Id, id_of, "exports", &request).await?;
        Ok(page.map(Export::from))
    }

    pub(crate) async fn export(&self, id: ExportId) -> Result<export::Model> {
        let found = export::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| KernelError::not_found("export", id))
    }

    pub(crate) async fn create_export(&self, ctx: &Ctx, new: CreateExport) -> Result<Reply> {
        let permission = new.resource.read_permission();
        if !ctx.permissions.allow(permission) {
            return Err(KernelError::forbidden(permission));
        }
        if (new.resource == FileResource::Counts) != new.stock_count_id.is_some() {
            return Err(Error::StockCountUnclear.into());
        }
        let mut tx = self.db.begin_once(ctx).await?;
        if let Some(id) = new.stock_count_id {
            self.stock_count(id).await.map_err(|_| Error::UnknownStockCount)?;
        }
        if let Some(id) = new.warehouse_id {
            let found = warehouse::Entity::find_by_id(id).one(&*tx).await?;
            let pointer = "/warehouse_id".to_owned();
            found.ok_or(Error::UnknownWarehouse { pointer })?;
        }
        let model = export::Model {
            id: ExportId::new(),
            resource: new.resource,
            format: new.format.unwrap_or(Format::Csv),
            warehouse_id: new.warehouse_id,
            stock_count_id: new.stock_count_id,
            status: FileStatus::Queued,
            list_cursor: None,
            pieces: 0,
            rows_written: 0,
            bytes: 0,
            is_forgotten: false,
            requested_by: ctx.actor.id,
            created_at: tx.now(),
            updated_at: tx.now(),
            started_at: None,
            ended_at: None,
        };
        let export = Export::from(model.into_active_model().insert(&*tx).await?);
        tx.audit_new("export", export.id.uuid(), &export)?;
        let location = format!("/api/v1/inventory/exports/{}", export.id);
        tx.reply(Reply::accepted_at(&export, location)).await
    }

    pub(crate) async fn cancel_export(&self, ctx: &Ctx, id: ExportId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<export::Entity>(id).await?;
        let before = found.ok_or_else(|| KernelError::not_found("export", id))?;
        let status = MACHINE.apply(before.status, "cancel")?;
        forget_pieces(&tx, id).await?;
        let (updated_at, ended_at) = (tx.now(), Some(tx.now()));
        let after =
            export::Model { status, updated_at, ended_at, is_forgotten: true, ..before.clone() };
        let after = after.into_active_model().reset_all().update(&*tx).await?;
        let after = Export::from(after);
        tx.audit("export", id.uuid(), Some(&Export::from(before)), Some(&after))?;
        tx.reply(Reply::plain(&after)).await
    }

    /// Throws away the files of exports that ended long before `now`.
    pub(crate) async fn forget_exports(&self, ctx: &Ctx, now: DateTime<Utc>) -> Result<()> {
        let before = now - Days::new(self.config.export_kept_days.into());
        let sql = "SELECT id FROM exports WHERE NOT is_forgotten AND ended_at < $1 \
                   ORDER BY ended_at LIMIT 100";
        let old: Vec<Old> = query_all(self.db.read(), sql, vec![before.into()]).await?;
        for Old { id } in old {
            let tx = self.db.begin(ctx).await?;
            forget_pieces(&tx, id).await?;
            let sql = "UPDATE exports SET is_forgotten = TRUE WHERE id = $1";
            execute(&*tx, sql, vec![id.into()]).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn export_piece(&self, id: ExportId, position: i64) -> Result<Bytes> {
        let sql = "SELECT bytes FROM export_pieces WHERE export_id = $1 AND position = $2";
        let values = vec![id.into(), position.into()];
        let piece: Option<Piece> = query_one(self.db.read(), sql, values).await?;
        let piece = piece.ok_or_else(|| KernelError::from(Error::ExportForgotten))?;
        Ok(piece.bytes.into())
    }
}

/// The file of an export, sent piece by piece.
pub(crate) async fn content(
    ctx: &Ctx,
    service: Data<Service>,
    id: ExportId,
) -> Result<HttpResponse> {
    let export = service.export(id).await?;
    let permission = export.resource.read_permission();
    if !ctx.permissions.allow(permission) {
        return Err(KernelError::forbidden(permission));
    }
    if export.is_forgotten {
        return Err(Error::ExportForgotten.into());
    }
    if export.status != FileStatus::Succeeded {
        return Err(Error::ExportNotReady.into());
    }
    let pieces = try_unfold((service, 0_i64), move |(service, position)| async move {
        if position == export.pieces {
            return Ok(None);
        }
        let piece = service.export_piece(id, position).await?;
        Ok(Some((piece, (service, position + 1))))
    });
    let mut response = stream(export.format, pieces);
    let name = format!("{}-{id}.{}", export.resource.name(), export.format.name());
    let disposition = format!("attachment; filename=\"{name}\"");
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Throws a file away.
async fn forget_pieces(tx: &Tx, id: ExportId) -> Result<()> {
    execute(&**tx, "DELETE FROM export_pieces WHERE export_id = $1", vec![id.into()]).await?;
    Ok(())
}

impl FileResource {
    fn name(self) -> &'static str {
        match self {
            FileResource::Products => "products",
            FileResource::Stock => "stock",
            FileResource::Counts => "counts",
        }
    }

    /// What whoever exports it needs beside: what they would need to read the list.
    fn read_permission(self) -> &'static str {
        match self {
            FileResource::Products => "inventory.product:read",
            FileResource::Stock => "inventory.stock:read",
            FileResource::Counts => "inventory.stock_count:read",
        }
    }
}

impl From<export::Model> for Export {
    fn from(model: export::Model) -> Self {
        let is_ready = model.status == FileStatus::Succeeded && !model.is_forgotten;
        Export {
            id: model.id,
            resource: model.resource,
            format: model.format,
            warehouse_id: model.warehouse_id,
            stock_count_id: model.stock_count_id,
            status: model.status,
            allowed_actions: MACHINE.allowed_actions(model.status),
            rows_written: model.rows_written,
            bytes: model.bytes,
            content: is_ready.then(|| format!("/api/v1/inventory/exports/{}/content", model.id)),
            created_at: model.created_at,
            updated_at: model.updated_at,
            started_at: model.started_at,
            ended_at: model.ended_at,
        }
    }
}
