//! Product templates: what variants have in common, and in what they differ.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use contracts::ids::ProductTemplateId;
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Code, Name, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_product_templates)
        .service(get_product_template)
        .service(create_product_template);
}

/// A template. It never changes, so its variants stay what they are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductTemplate {
    pub id: ProductTemplateId,
    /// Short code, unique.
    #[schema(example = "SHIRT")]
    pub code: String,
    #[schema(example = "Shirt")]
    pub name: String,
    pub attributes: Vec<Attribute>,
    pub created_at: DateTime<Utc>,
}

/// In what variants differ.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attribute {
    #[schema(example = "size")]
    pub name: Text<1, 64>,
    /// 1 to 200 values, each once.
    #[schema(min_items = 1, max_items = 200)]
    pub values: Vec<Text<1, 64>>,
}

/// A template to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProductTemplate {
    pub code: Code,
    pub name: Name,
    #[schema(min_items = 1, max_items = 10)]
    pub attributes: Vec<Attribute>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListProductTemplates {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
}

/// List product templates
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Products",
    params(ListProductTemplates),
    responses((status = 200, body = Page<ProductTemplate>)),
    extensions(("x-permission" = json!("inventory.product:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/product-templates")]
async fn list_product_templates(
    service: Data<Service>,
    query: Query<ListProductTemplates>,
) -> Result<Reply> {
    let page = service.list_product_templates(query.0).await?;
    let data: Result<Vec<_>> = page.data.into_iter().map(ProductTemplate::try_from).collect();
    Ok(Reply::plain(&Page { data: data?, page: page.page }))
}

/// Get product template
#[utoipa::path(
    tag = "Products",
    params(("id" = ProductTemplateId, Path)),
    responses((status = 200, body = ProductTemplate)),
    extensions(("x-permission" = json!("inventory.product:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/product-templates/{id}")]
async fn get_product_template(
    service: Data<Service>,
    id: Path<ProductTemplateId>,
) -> Result<Reply> {
    Ok(Reply::plain(&ProductTemplate::try_from(service.product_template(*id).await?)?))
}

/// Create product template
///
/// Its variants are products that name it and one value for each attribute.
/// - Errors: 409 `template_code_taken`; 422 `invalid_attributes` unless names and values are
///   each there once.
#[utoipa::path(
    tag = "Products",
    request_body = NewProductTemplate,
    responses((status = 201, body = ProductTemplate)),
    extensions(
        ("x-permission" = json!("inventory.product:create")),
        ("x-errors" = json!(["template_code_taken", "invalid_attributes"]))
    )
)]
#[post("/product-templates")]
async fn create_product_template(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewProductTemplate>,
) -> Result<Reply> {
    service.create_product_template(&ctx, body.0).await
}
