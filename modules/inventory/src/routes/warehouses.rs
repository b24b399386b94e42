//! Warehouses: where stock is kept.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::ids::WarehouseId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Code, Name};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;
use crate::service::references::check_scope;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_warehouses)
        .service(get_warehouse)
        .service(create_warehouse)
        .service(update_warehouse);
}

/// A warehouse.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Warehouse {
    pub id: WarehouseId,
    /// Short code, unique.
    #[schema(example = "MAIN")]
    pub code: String,
    #[schema(example = "Main warehouse")]
    pub name: String,
    /// Only active warehouses receive goods.
    pub is_active: bool,
    /// Whether it is the one for what is on its way between two others.
    pub is_transit: bool,
    /// Whether more may leave it than is there, of products that allow that too.
    pub allows_negative: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Warehouse {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A warehouse to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWarehouse {
    pub code: Code,
    pub name: Name,
}

/// Changes to a warehouse: what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WarehousePatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWarehouses {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the warehouse with this code.
    pub code: Option<Code>,
    pub is_active: Option<bool>,
}

/// List warehouses
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Warehouses",
    params(ListWarehouses),
    responses((status = 200, body = Page<Warehouse>)),
    extensions(
        ("x-permission" = json!("inventory.warehouse:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/warehouses")]
async fn list_warehouses(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListWarehouses>,
) -> Result<Reply> {
    let page = service.list_warehouses(&ctx, query.0).await?;
    Ok(Reply::plain(&page.map(Warehouse::from)))
}

/// Get warehouse
#[utoipa::path(
    tag = "Warehouses",
    params(("id" = WarehouseId, Path)),
    responses((status = 200, body = Warehouse)),
    extensions(
        ("x-permission" = json!("inventory.warehouse:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/warehouses/{id}")]
async fn get_warehouse(ctx: Ctx, service: Data<Service>, id: Path<WarehouseId>) -> Result<Reply> {
    check_scope(&ctx, [*id], "warehouse", *id)?;
    let read = async || {
        let warehouse = service.warehouse(*id).await?;
        Ok(Reply::ok(&Warehouse::from(warehouse)))
    };
    service.db.cached("warehouse", id.uuid(), read).await
}

/// Create warehouse
///
/// - Errors: 409 `warehouse_code_taken`.
#[utoipa::path(
    tag = "Warehouses",
    request_body = NewWarehouse,
    responses((status = 201, body = Warehouse)),
    extensions(
        ("x-permission" = json!("inventory.warehouse:create")),
        ("x-errors" = json!(["warehouse_code_taken"]))
    )
)]
#[post("/warehouses")]
async fn create_warehouse(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewWarehouse>,
) -> Result<Reply> {
    service.create_warehouse(&ctx, body.0).await
}

/// Update warehouse
///
/// A JSON merge patch (RFC 7396). A warehouse that is not active receives nothing more;
/// what is in it can still be shipped or adjusted.
#[utoipa::path(
    tag = "Warehouses",
    params(("id" = WarehouseId, Path)),
    request_body(content = WarehousePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Warehouse)),
    extensions(
        ("x-permission" = json!("inventory.warehouse:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["warehouse_of_transit"]))
    )
)]
#[patch("/warehouses/{id}")]
async fn update_warehouse(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<WarehouseId>,
    body: Json<WarehousePatch>,
) -> Result<Reply> {
    service.update_warehouse(&ctx, *id, body.0).await
}
