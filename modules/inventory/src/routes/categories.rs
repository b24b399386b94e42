//! Categories: what products are sorted by.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::ids::CategoryId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Code, Name};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_categories)
        .service(get_category)
        .service(create_category)
        .service(update_category);
}

/// A category.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Category {
    pub id: CategoryId,
    /// Short code, unique.
    #[schema(example = "CHAIRS")]
    pub code: String,
    #[schema(example = "Chairs")]
    pub name: String,
    /// The category it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parent_id: Option<CategoryId>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Category {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A category to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCategory {
    pub code: Code,
    pub name: Name,
    /// The category it is part of. It stays there.
    #[schema(nullable = false)]
    pub parent_id: Option<CategoryId>,
}

/// Changes to a category: what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoryPatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCategories {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the parts of this category.
    pub parent_id: Option<CategoryId>,
}

/// List categories
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Products",
    params(ListCategories),
    responses((status = 200, body = Page<Category>)),
    extensions(("x-permission" = json!("inventory.category:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/categories")]
async fn list_categories(service: Data<Service>, query: Query<ListCategories>) -> Result<Reply> {
    let page = service.list_categories(query.0).await?;
    Ok(Reply::plain(&page.map(Category::from)))
}

/// Get category
#[utoipa::path(
    tag = "Products",
    params(("id" = CategoryId, Path)),
    responses((status = 200, body = Category)),
    extensions(("x-permission" = json!("inventory.category:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/categories/{id}")]
async fn get_category(service: Data<Service>, id: Path<CategoryId>) -> Result<Reply> {
    Ok(Reply::ok(&Category::from(service.category(*id).await?)))
}

/// Create category
///
/// - Errors: 409 `category_code_taken`; 422 `unknown_category`.
#[utoipa::path(
    tag = "Products",
    request_body = NewCategory,
    responses((status = 201, body = Category)),
    extensions(
        ("x-permission" = json!("inventory.category:create")),
        ("x-errors" = json!(["category_code_taken", "unknown_category"]))
    )
)]
#[post("/categories")]
async fn create_category(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewCategory>,
) -> Result<Reply> {
    service.create_category(&ctx, body.0).await
}

/// Update category
///
/// A JSON merge patch (RFC 7396).
#[utoipa::path(
    tag = "Products",
    params(("id" = CategoryId, Path)),
    request_body(content = CategoryPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Category)),
    extensions(
        ("x-permission" = json!("inventory.category:update")),
        ("x-needs" = json!(["if-match"]))
    )
)]
#[patch("/categories/{id}")]
async fn update_category(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<CategoryId>,
    body: Json<CategoryPatch>,
) -> Result<Reply> {
    service.update_category(&ctx, *id, body.0).await
}
