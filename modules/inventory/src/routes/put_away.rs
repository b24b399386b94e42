//! Putting away: where what has come is put.

use actix_web::web::Data;
use actix_web::{delete, get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{CategoryId, LocationId, LotId, ProductId, PutAwayRuleId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_put_away_rules)
        .service(create_put_away_rule)
        .service(delete_put_away_rule)
        .service(list_put_away_suggestions);
}

/// Where a product, a category or everything is put. The rule of a product comes first, then that
/// of its category, or of the nearest category above it that has one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PutAwayRule {
    pub id: PutAwayRuleId,
    pub warehouse_id: WarehouseId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub product_id: Option<ProductId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category_id: Option<CategoryId>,
    pub location_id: LocationId,
    pub created_at: DateTime<Utc>,
}

/// A rule to be made: for a product, for a category, or with neither for everything.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPutAwayRule {
    pub warehouse_id: WarehouseId,
    #[schema(nullable = false)]
    pub product_id: Option<ProductId>,
    #[schema(nullable = false)]
    pub category_id: Option<CategoryId>,
    pub location_id: LocationId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPutAwayRules {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub warehouse_id: Option<WarehouseId>,
}

/// Goods to be put away, and where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PutAwaySuggestion {
    pub warehouse_id: WarehouseId,
    pub product_id: ProductId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lot_id: Option<LotId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub from_location_id: Option<LocationId>,
    pub to_location_id: LocationId,
    pub quantity: Quantity,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPutAwaySuggestions {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    pub warehouse_id: Option<WarehouseId>,
}

/// List put-away rules
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Locations",
    params(ListPutAwayRules),
    responses((status = 200, body = Page<PutAwayRule>)),
    extensions(("x-permission" = json!("inventory.location:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/put-away-rules")]
async fn list_put_away_rules(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListPutAwayRules>,
) -> Result<Reply> {
    let page = service.list_put_away_rules(&ctx, query.0).await?;
    Ok(Reply::plain(&page.map(PutAwayRule::from)))
}

/// Create put-away rule
///
/// - Errors: 409 `put_away_rule_exists`; 422 `unknown_warehouse`, `unknown_location`,
///   `unknown_product`, `unknown_category`, `rule_of_both`.
#[utoipa::path(
    tag = "Locations",
    request_body = NewPutAwayRule,
    responses((status = 201, body = PutAwayRule)),
    extensions(
        ("x-permission" = json!("inventory.location:update")),
        ("x-scope" = json!("warehouse")),
        ("x-errors" = json!([
            "product_is_kit",
            "put_away_rule_exists", "unknown_warehouse", "unknown_location", "unknown_product",
            "unknown_category", "rule_of_both"
        ]))
    )
)]
#[post("/put-away-rules")]
async fn create_put_away_rule(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewPutAwayRule>,
) -> Result<Reply> {
    service.create_put_away_rule(&ctx, body.0).await
}

/// Delete put-away rule
#[utoipa::path(
    tag = "Locations",
    params(("id" = PutAwayRuleId, Path)),
    responses((status = 204)),
    extensions(("x-permission" = json!("inventory.location:update")), ("x-scope" = json!("warehouse")))
)]
#[delete("/put-away-rules/{id}")]
async fn delete_put_away_rule(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PutAwayRuleId>,
) -> Result<Reply> {
    service.delete_put_away_rule(&ctx, *id).await
}

/// List put-away suggestions
///
/// What lies where it arrived, or where nobody said, and where the rules want it; oldest first.
#[utoipa::path(
    tag = "Locations",
    params(ListPutAwaySuggestions),
    responses((status = 200, body = Page<PutAwaySuggestion>)),
    extensions(("x-permission" = json!("inventory.stock:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/put-away-suggestions")]
async fn list_put_away_suggestions(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListPutAwaySuggestions>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_put_away_suggestions(&ctx, query.0).await?))
}
