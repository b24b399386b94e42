//! Planning: when to buy again, how much, and what is on its way.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, patch, post, put};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{ProductId, PurchaseOrderLineId, ReorderRuleId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::page_query;
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::table::{Accept, Tabular};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;
use crate::service::references::check_scope;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_reorder_rules)
        .service(get_reorder_rule)
        .service(create_reorder_rule)
        .service(update_reorder_rule)
        .service(list_reorder_suggestions)
        .service(list_expected_receipts)
        .service(set_expected_receipt);
}

/// When a warehouse buys a product again, and how much.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReorderRule {
    pub id: ReorderRuleId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    /// Below this it is time to buy.
    pub min: Quantity,
    /// What a purchase brings stock up to.
    pub target: Quantity,
    /// What it should not bring stock beyond.
    pub max: Quantity,
    /// Only whole multiples of this can be ordered.
    pub multiple: Quantity,
    /// The least that can be ordered.
    pub minimum_order: Quantity,
    pub lead_time_days: i64,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for ReorderRule {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A rule to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReorderRule {
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub min: Quantity,
    pub target: Quantity,
    /// The target where not said.
    #[schema(nullable = false)]
    pub max: Option<Quantity>,
    /// One where not said.
    #[schema(nullable = false)]
    pub multiple: Option<PositiveQuantity>,
    #[schema(nullable = false)]
    pub minimum_order: Option<Quantity>,
    #[serde(default)]
    #[schema(maximum = 3650, default = 0)]
    pub lead_time_days: u16,
}

/// Changes to a rule: what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReorderRulePatch {
    #[schema(nullable = false)]
    pub min: Option<Quantity>,
    #[schema(nullable = false)]
    pub target: Option<Quantity>,
    #[schema(nullable = false)]
    pub max: Option<Quantity>,
    #[schema(nullable = false)]
    pub multiple: Option<PositiveQuantity>,
    #[schema(nullable = false)]
    pub minimum_order: Option<Quantity>,
    #[schema(nullable = false, maximum = 3650)]
    pub lead_time_days: Option<u16>,
}

/// Something to be bought.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReorderSuggestion {
    pub rule_id: ReorderRuleId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    /// What is available, less what orders wait for, and what is expected.
    pub projected: Quantity,
    /// Of purchase orders, and of transfers under way.
    pub expected: Quantity,
    /// How much to buy.
    pub quantity: Quantity,
    pub lead_time_days: i64,
}

/// What a line of a purchase order will bring.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExpectedReceipt {
    /// The line of the purchase order.
    pub id: PurchaseOrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub quantity: Quantity,
    /// What has come of it since it was first said.
    pub received: Quantity,
    /// What is still to come.
    pub open: Quantity,
    pub expected_on: NaiveDate,
    pub updated_at: DateTime<Utc>,
}

/// What a line of a purchase order will bring, instead of what was said before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetExpectedReceipt {
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    /// All of the line; zero if nothing is to come any more.
    pub quantity: Quantity,
    pub expected_on: NaiveDate,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListReorderRules {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub product_id: Option<ProductId>,
    pub warehouse_id: Option<WarehouseId>,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListReorderSuggestions {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    pub product_id: Option<ProductId>,
    pub warehouse_id: Option<WarehouseId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListExpectedReceipts {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub product_id: Option<ProductId>,
    pub warehouse_id: Option<WarehouseId>,
}

/// List reorder rules
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Planning",
    params(ListReorderRules),
    responses((status = 200, body = Page<ReorderRule>)),
    extensions(("x-permission" = json!("inventory.reorder_rule:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/reorder-rules")]
async fn list_reorder_rules(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListReorderRules>,
) -> Result<Reply> {
    let page = service.list_reorder_rules(&ctx, query.0).await?;
    Ok(Reply::plain(&page.map(ReorderRule::from)))
}

/// Get reorder rule
#[utoipa::path(
    tag = "Planning",
    params(("id" = ReorderRuleId, Path)),
    responses((status = 200, body = ReorderRule)),
    extensions(("x-permission" = json!("inventory.reorder_rule:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/reorder-rules/{id}")]
async fn get_reorder_rule(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ReorderRuleId>,
) -> Result<Reply> {
    let rule = service.reorder_rule(*id).await?;
    check_scope(&ctx, [rule.warehouse_id], "reorder rule", *id)?;
    Ok(Reply::ok(&ReorderRule::from(rule)))
}

/// Create reorder rule
///
/// One a product and warehouse.
/// - Errors: 409 `rule_exists`; 422 `unknown_product`, `unknown_warehouse`,
///   `rule_out_of_order` unless min ≤ target ≤ max, `quantity_negative`,
///   `quantity_too_fine`, `lead_time_too_long`.
#[utoipa::path(
    tag = "Planning",
    request_body = NewReorderRule,
    responses((status = 201, body = ReorderRule)),
    extensions(
        ("x-permission" = json!("inventory.reorder_rule:create")),
        ("x-scope" = json!("warehouse")),
        ("x-errors" = json!([
            "product_is_kit",
            "rule_exists", "unknown_product", "unknown_warehouse", "rule_out_of_order",
            "quantity_negative", "quantity_too_fine", "lead_time_too_long"
        ]))
    )
)]
#[post("/reorder-rules")]
async fn create_reorder_rule(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewReorderRule>,
) -> Result<Reply> {
    service.create_reorder_rule(&ctx, body.0).await
}

/// Update reorder rule
///
/// A JSON merge patch (RFC 7396).
/// - Errors: 422 `rule_out_of_order`, `quantity_negative`, `quantity_too_fine`,
///   `lead_time_too_long`.
#[utoipa::path(
    tag = "Planning",
    params(("id" = ReorderRuleId, Path)),
    request_body(content = ReorderRulePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ReorderRule)),
    extensions(
        ("x-permission" = json!("inventory.reorder_rule:update")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "rule_out_of_order", "quantity_negative", "quantity_too_fine", "lead_time_too_long"
        ]))
    )
)]
#[patch("/reorder-rules/{id}")]
async fn update_reorder_rule(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<ReorderRuleId>,
    body: Json<ReorderRulePatch>,
) -> Result<Reply> {
    service.update_reorder_rule(&ctx, *id, body.0).await
}

page_query!(ListReorderSuggestions);

impl Tabular for ReorderSuggestion {
    const COLUMNS: &'static [&'static str] = &[
        "rule_id",
        "product_id",
        "warehouse_id",
        "projected",
        "expected",
        "quantity",
        "lead_time_days",
    ];
    const LABEL: &'static str = "product_id";
    const SERIES: &'static [&'static str] = &["projected", "expected", "quantity"];
}

/// List reorder suggestions
///
/// What is, or will be with all that is expected, below the minimum of its rule; in the order
/// of the rules. Nothing is stored: asked twice, the answer is the same.
#[utoipa::path(
    tag = "Planning",
    params(ListReorderSuggestions),
    responses((status = 200, body = Page<ReorderSuggestion>)),
    extensions(
        ("x-permission" = json!("inventory.reorder_rule:read")),
        ("x-scope" = json!("warehouse")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/reorder-suggestions")]
async fn list_reorder_suggestions(
    ctx: Ctx,
    accept: Accept,
    service: Data<Service>,
    query: Query<ListReorderSuggestions>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let (service, ctx) = (service.clone(), ctx.clone());
            async move { service.list_reorder_suggestions(&ctx, query).await }
        })
        .await
}

/// List expected receipts
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Planning",
    params(ListExpectedReceipts),
    responses((status = 200, body = Page<ExpectedReceipt>)),
    extensions(("x-permission" = json!("inventory.expected_receipt:read")), ("x-scope" = json!("warehouse")))
)]
#[get("/expected-receipts")]
async fn list_expected_receipts(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListExpectedReceipts>,
) -> Result<Reply> {
    let page = service.list_expected_receipts(&ctx, query.0).await?;
    Ok(Reply::plain(&page.map(ExpectedReceipt::from)))
}

/// Set expected receipt
///
/// Says what a line of a purchase order will bring, and when, instead of what was said before:
/// an order that is approved says it first, and one that is closed or cancelled last. Receipts
/// of the line count it down.
/// - Errors: 409 `changed_meanwhile` if two say it first at once; 422 `unknown_product`,
///   `unknown_warehouse`, `quantity_negative`, `quantity_too_fine`.
#[utoipa::path(
    tag = "Planning",
    params(("id" = PurchaseOrderLineId, Path)),
    request_body = SetExpectedReceipt,
    responses((status = 200, body = ExpectedReceipt)),
    extensions(
        ("x-permission" = json!("inventory.expected_receipt:update")),
        ("x-errors" = json!([
            "product_is_kit",
            "changed_meanwhile", "unknown_product", "unknown_warehouse", "quantity_negative",
            "quantity_too_fine"
        ]))
    )
)]
#[put("/expected-receipts/{id}")]
async fn set_expected_receipt(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PurchaseOrderLineId>,
    body: Json<SetExpectedReceipt>,
) -> Result<Reply> {
    service.set_expected_receipt(&ctx, *id, body.0).await
}
