//! Exports: files of products, of stock and of what was counted, made to be fetched.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{ExportId, StockCountId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::table::Format;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::import::{FileResource, FileStatus};
use crate::service::{Service, exports};

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_exports)
        .service(get_export)
        .service(get_export_content)
        .service(create_export)
        .service(cancel_export);
}

/// A file that is made to be fetched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Export {
    pub id: ExportId,
    #[schema(inline)]
    pub resource: FileResource,
    #[schema(inline)]
    pub format: Format,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warehouse_id: Option<WarehouseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stock_count_id: Option<StockCountId>,
    #[schema(inline)]
    pub status: FileStatus,
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
    pub rows_written: i64,
    pub bytes: i64,
    /// Where the file is, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub content: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// A file to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateExport {
    #[schema(inline)]
    pub resource: FileResource,
    /// CSV where not said.
    #[schema(inline, nullable = false)]
    pub format: Option<Format>,
    /// Only stock of this warehouse.
    #[schema(nullable = false)]
    pub warehouse_id: Option<WarehouseId>,
    /// The stock count that `counts` are of.
    #[schema(nullable = false)]
    pub stock_count_id: Option<StockCountId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListExports {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    #[param(inline)]
    pub resource: Option<FileResource>,
    #[param(inline)]
    pub status: Option<FileStatus>,
}

/// List exports
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Imports and exports",
    params(ListExports),
    responses((status = 200, body = Page<Export>)),
    extensions(("x-permission" = json!("inventory.export:read")))
)]
#[get("/exports")]
async fn list_exports(service: Data<Service>, query: Query<ListExports>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_exports(query.0).await?))
}

/// Get export
///
/// How far it is: ask again until `content` says where the file is.
#[utoipa::path(
    tag = "Imports and exports",
    params(("id" = ExportId, Path)),
    responses((status = 200, body = Export)),
    extensions(("x-permission" = json!("inventory.export:read")))
)]
#[get("/exports/{id}")]
async fn get_export(service: Data<Service>, id: Path<ExportId>) -> Result<Reply> {
    Ok(Reply::plain(&Export::from(service.export(*id).await?)))
}

/// Get content of export
///
/// The file, which is kept for the days of the setting `inventory.export_kept_days`. Needs the
/// permission to read the list as well.
/// - Errors: 409 `export_not_ready`, `export_forgotten`.
#[utoipa::path(
    tag = "Imports and exports",
    params(("id" = ExportId, Path)),
    responses((
        status = 200,
        content((String = "text/csv"), (String = "application/x-ndjson"))
    )),
    extensions(
        ("x-permission" = json!("inventory.export:read")),
        ("x-errors" = json!(["export_not_ready", "export_forgotten"]))
    )
)]
#[get("/exports/{id}/content")]
async fn get_export_content(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ExportId>,
) -> Result<HttpResponse> {
    exports::content(&ctx, service, *id).await
}

/// Create export
///
/// Has a file made in the background: the answer says where to ask how far it is. Rows are as
/// they are when they are read. `products` have the columns that an import takes, and can be
/// imported again; `stock` is what is on hand, by product and warehouse; `counts` is what was
/// counted of each product of a stock count, or of each of its lots where it was counted by lot,
/// and can be imported again as well. Needs the permission to read the list as well.
/// - Errors: 422 `stock_count_unclear`, `unknown_stock_count`, `unknown_warehouse`.
#[utoipa::path(
    tag = "Imports and exports",
    request_body = CreateExport,
    responses((status = 202, body = Export)),
    extensions(
        ("x-permission" = json!("inventory.export:create")),
        ("x-errors" = json!([
            "stock_count_unclear", "unknown_stock_count", "unknown_warehouse"
        ]))
    )
)]
#[post("/exports")]
async fn create_export(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<CreateExport>,
) -> Result<Reply> {
    service.create_export(&ctx, body.0).await
}

/// Cancel export
///
/// - Errors: 409 `illegal_transition` once it has ended.
#[utoipa::path(
    tag = "Imports and exports",
    params(("id" = ExportId, Path)),
    responses((status = 200, body = Export)),
    extensions(
        ("x-permission" = json!("inventory.export:create")),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/exports/{id}/cancel")]
async fn cancel_export(ctx: Ctx, service: Data<Service>, id: Path<ExportId>) -> Result<Reply> {
    service.cancel_export(&ctx, *id).await
}
