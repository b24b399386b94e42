//! Imports: files of products, of stock and of what was counted, brought in by rows.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{ImportId, StockCountId};
use kernel::http::{Path, Query, Reply, Routes, Upload};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::table::Format;
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::import::{FileResource, FileStatus, ImportPolicy};
use crate::entities::import_error;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_imports)
        .service(get_import)
        .service(list_import_errors)
        .service(create_import)
        .service(cancel_import);
}

/// A file that came in, and what has become of its rows so far.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Import {
    pub id: ImportId,
    #[schema(inline)]
    pub resource: FileResource,
    #[schema(inline)]
    pub format: Format,
    #[schema(inline)]
    pub policy: ImportPolicy,
    /// Whether rows are looked at only.
    pub is_dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stock_count_id: Option<StockCountId>,
    /// Why, as the audit log and stock moves tell it.
    pub reason: String,
    #[schema(inline)]
    pub status: FileStatus,
    #[schema(value_type = Vec<String>)]
    pub allowed_actions: Vec<&'static str>,
    /// How large the file is.
    pub bytes: i64,
    pub rows_read: i64,
    /// What was made, changed and left as it was; in a dry run what would be. Nothing where an
    /// atomic import failed.
    pub rows_created: i64,
    pub rows_updated: i64,
    pub rows_unchanged: i64,
    /// Rows that something is wrong with.
    pub rows_failed: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// What is wrong with a row of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportError {
    /// As a spreadsheet numbers it: the names of the columns are row 1. In NDJSON the number of
    /// the line. 0 or 1 where it is the file as such.
    #[schema(example = 17)]
    pub row_number: i64,
    /// JSON pointer to the column; empty where it is the whole row.
    #[schema(example = "/barcode")]
    pub pointer: String,
    /// What is wrong, stable: that of the single operation, or one of those of the file.
    #[schema(example = "invalid_gtin")]
    pub code: String,
    /// What is wrong, for a person.
    pub detail: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListImports {
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

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListImportErrors {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CreateImport {
    /// What the file has rows of.
    #[param(inline)]
    pub resource: FileResource,
    /// What becomes of the file if some of its rows are wrong.
    #[serde(default)]
    #[param(inline)]
    pub policy: ImportPolicy,
    /// Whether rows are looked at only, and nothing is changed.
    #[serde(default)]
    pub dry_run: bool,
    /// The stock count that `counts` are of.
    pub stock_count_id: Option<StockCountId>,
    /// Why; goes into the audit log and onto stock moves. Not said: `Import`.
    #[param(inline)]
    pub reason: Option<Note>,
}

/// List imports
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Imports and exports",
    params(ListImports),
    responses((status = 200, body = Page<Import>)),
    extensions(("x-permission" = json!("inventory.import:read")))
)]
#[get("/imports")]
async fn list_imports(service: Data<Service>, query: Query<ListImports>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_imports(query.0).await?))
}

/// Get import
///
/// How far it is: ask again until `ended_at` is said.
#[utoipa::path(
    tag = "Imports and exports",
    params(("id" = ImportId, Path)),
    responses((status = 200, body = Import)),
    extensions(("x-permission" = json!("inventory.import:read")))
)]
#[get("/imports/{id}")]
async fn get_import(service: Data<Service>, id: Path<ImportId>) -> Result<Reply> {
    Ok(Reply::plain(&Import::from(service.import(*id).await?)))
}

/// List errors of import
///
/// What is wrong with which row, in the order they were found; the first 10000 of a file.
/// - Codes of a file: `unknown_column`, `duplicate_column`, `missing_column`, `no_header`,
///   `row_too_long`, `too_many_rows` for more than 100000 of `counts`.
/// - Codes of a row: `wrong_number_of_cells`, `invalid_utf8`, `malformed_json`, `invalid_body`,
///   `duplicate_row`, `field_fixed` for what a product keeps as it was first said, and those of
///   the operation that does the same with a single product, receipt or count. Of counts also
///   `lot_required` for some of a product without a lot beside some of lots, `unit_cost_differs`
///   for another than in other rows of the product, and `other_row_wrong` where one of those is
///   wrong.
#[utoipa::path(
    tag = "Imports and exports",
    params(("id" = ImportId, Path), ListImportErrors),
    responses((status = 200, body = Page<ImportError>)),
    extensions(("x-permission" = json!("inventory.import:read")))
)]
#[get("/imports/{id}/errors")]
async fn list_import_errors(
    service: Data<Service>,
    id: Path<ImportId>,
    query: Query<ListImportErrors>,
) -> Result<Reply> {
    let page = service.list_import_errors(*id, query.0).await?;
    Ok(Reply::plain(&page.map(ImportError::from)))
}

/// Create import
///
/// Takes a file in, and brings in its rows in the background: the answer says where to ask how
/// far it is. CSV has the names of its columns in the first row, commas in between and UTF-8;
/// NDJSON a JSON object a line with the same names. Unknown columns are refused.
/// - `products`: `sku`, `external_id`, `name`, `description`, `barcode`, `unit`,
///   `unit_decimals`, `tax_class`, `is_active`, `category_code`, `template_code`, `options` (a
///   JSON object), `weight_g`, `length_mm`, `width_mm`, `height_mm`, `tracking`, `picking`,
///   `costing`, `standard_cost`. A row is of the product with its `external_id` or, if there is
///   none, with its `sku`; else of a new one, which has a `name`, a `unit` and a `tax_class`.
///   What has no column stays as it is, an empty cell empties. Needs the permissions
///   `inventory.product:create` and `inventory.product:update` as well.
/// - `stock`: `sku`, `warehouse_code`, `quantity`, `unit_cost`, `location_code`, `lot`,
///   `expires_on`. Each row is a line of a receipt. Needs `inventory.stock:receive` as well.
/// - `counts`: `sku`, `lot`, `expires_on`, `quantity`, `unit_cost`, of the count
///   `stock_count_id`. What is counted by lot or serial number has a row for each of them, and of
///   what has none there is nothing. The rows of a product may stand apart; they are brought in
///   together, in place of what was counted of it before, or not at all; `quantity` is what
///   there is at that moment. What has none is not counted yet, and stays as it is. The other
///   columns of an exported file, `name`, `counts`, `book`, `variance` and `counted_at`, may be
///   there and say nothing. 100000 rows at most, and 5000 lots of a product. Needs
///   `inventory.stock_count:record` as well.
/// - `policy`: `atomic` looks at every row first, and then brings in all of them at once, or
///   none; `skip_failed` leaves out those that something is wrong with.
/// - A cell that begins with `=`, `+`, `-` or `@` and is no number has an apostrophe before it in
///   exported files, so that no spreadsheet runs it; imports take that away.
/// - Errors: 413 `body_too_large` for more than the setting `inventory.import_max_bytes`; 422
///   `stock_count_unclear`, `unknown_stock_count`.
#[utoipa::path(
    tag = "Imports and exports",
    params(CreateImport),
    request_body(
        content(
            (String = "text/csv", example = "sku,name,unit,tax_class\r\nCHAIR-OAK,Oak chair,pcs,standard\r\n"),
            (String = "application/x-ndjson", example = "{\"sku\":\"CHAIR-OAK\",\"name\":\"Oak chair\",\"unit\":\"pcs\",\"tax_class\":\"standard\"}\n")
        )
    ),
    responses((status = 202, body = Import)),
    extensions(
        ("x-permission" = json!("inventory.import:create")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "unreadable_body", "stock_count_unclear", "unknown_stock_count"
        ]))
    )
)]
#[post("/imports")]
async fn create_import(
    ctx: Ctx,
    upload: Upload,
    service: Data<Service>,
    query: Query<CreateImport>,
) -> Result<Reply> {
    service.create_import(&ctx, upload, query.0).await
}

/// Cancel import
///
/// Of an atomic import nothing is left; of another one the rows that are brought in stay.
/// - Errors: 409 `illegal_transition` once it has ended.
#[utoipa::path(
    tag = "Imports and exports",
    params(("id" = ImportId, Path)),
    responses((status = 200, body = Import)),
    extensions(
        ("x-permission" = json!("inventory.import:create")),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/imports/{id}/cancel")]
async fn cancel_import(ctx: Ctx, service: Data<Service>, id: Path<ImportId>) -> Result<Reply> {
    service.cancel_import(&ctx, *id).await
}

impl From<import_error::Model> for ImportError {
    fn from(model: import_error::Model) -> Self {
        ImportError {
            row_number: model.row_number,
            pointer: model.pointer,
            code: model.code,
            detail: model.detail,
        }
    }
}
