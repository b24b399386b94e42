//! Webhooks: addresses elsewhere that are told of events.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use chrono::{DateTime, Utc};
use contracts::ids::WebhookId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Note, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::webhook::DisabledWhy;
use crate::routes::api_keys::Rotation;
use crate::routes::tokens::no_store;
use crate::routes::webhook_deliveries::WebhookDelivery;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_webhooks)
        .service(get_webhook)
        .service(create_webhook)
        .service(update_webhook)
        .service(delete_webhook)
        .service(enable_webhook)
        .service(disable_webhook)
        .service(rotate_webhook_secret)
        .service(ping_webhook);
}

/// A type of event, `module.*`, or `*`.
pub(crate) type EventFilter = Text<1, 128>;
/// An address.
pub(crate) type Address = Text<1, 2000>;

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Webhook {
    pub id: WebhookId,
    #[schema(example = "https://shop.example/hooks/erp")]
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Sorted: types as `GET /event-types` lists them, `module.*` or `*`.
    #[schema(example = json!(["billing.invoice.issued", "orders.*"]))]
    pub event_types: Vec<String>,
    /// Since when nothing has arrived there, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_why: Option<DisabledWhy>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Webhook {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A webhook with the secret that signs, which nobody is shown again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewSecret {
    /// As libraries for Standard Webhooks take it.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw..")]
    pub secret: String,
    pub webhook: Webhook,
}

/// A webhook to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhook {
    /// `https`, and no address of ours.
    #[schema(example = "https://shop.example/hooks/erp")]
    pub url: Address,
    pub description: Option<Note>,
    /// Types as `GET /event-types` lists them, `module.*` or `*`.
    #[schema(min_items = 1, max_items = 100)]
    pub event_types: Vec<EventFilter>,
}

/// Changes to a webhook: what is absent stays, null empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookPatch {
    #[schema(nullable = false)]
    pub url: Option<Address>,
    #[serde(default, deserialize_with = "nullable")]
    pub description: Option<Option<Note>>,
    /// All it is to be told of from now on.
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    pub event_types: Option<Vec<EventFilter>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWebhooks {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
}

/// List webhooks
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Webhooks",
    params(ListWebhooks),
    responses((status = 200, body = Page<Webhook>)),
    extensions(("x-permission" = json!("auth.webhook:read")))
)]
#[get("/webhooks")]
async fn list_webhooks(service: Data<Service>, query: Query<ListWebhooks>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_webhooks(query.0).await?))
}

/// Get webhook
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookId, Path)),
    responses((status = 200, body = Webhook)),
    extensions(("x-permission" = json!("auth.webhook:read")))
)]
#[get("/webhooks/{id}")]
async fn get_webhook(service: Data<Service>, id: Path<WebhookId>) -> Result<Reply> {
    Ok(Reply::ok(&service.webhook(*id).await?))
}

/// Create webhook
///
/// From now on each event of these types is posted to the address, signed as Standard Webhooks
/// says: `webhook-id` (the event's id, the same each time it comes), `webhook-timestamp` and
/// `webhook-signature` (`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64). The body is
/// an event as `GET /events` shows it. An answer of 2xx ends it; anything else, a redirect
/// included, is a failure, and tried again over days (`auth.webhooks.retry_s`). Events may come
/// twice and out of order: `aggregate_version` tells.
/// - The answer is the only one that holds the secret.
/// - An `Idempotency-Key` has no effect: a secret is not stored to be given out again.
/// - Errors: 403 `cannot_grant` if the caller may not read events (`auth.event:read`); 422
///   `invalid_url`, `unknown_event_type`.
#[utoipa::path(
    tag = "Webhooks",
    request_body = NewWebhook,
    responses((status = 201, body = NewSecret)),
    extensions(
        ("x-permission" = json!("auth.webhook:create")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!([
            "cannot_grant", "invalid_url", "unknown_event_type", "too_many_event_types"
        ]))
    )
)]
#[post("/webhooks")]
async fn create_webhook(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    body: Json<NewWebhook>,
) -> Result<HttpResponse> {
    Ok(no_store(&request, service.create_webhook(&ctx, body.0).await?))
}

/// Update webhook
///
/// A JSON merge patch (RFC 7396). What is on its way goes to the new address.
/// - Errors: 403 `cannot_grant` if the caller may not read events (`auth.event:read`); 422
///   `invalid_url`, `unknown_event_type`.
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookId, Path)),
    request_body(content = WebhookPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Webhook)),
    extensions(
        ("x-permission" = json!("auth.webhook:update")),
        ("x-needs" = json!(["if-match", "step-up"])),
        ("x-errors" = json!([
            "cannot_grant", "invalid_url", "unknown_event_type", "too_many_event_types"
        ]))
    )
)]
#[patch("/webhooks/{id}")]
async fn update_webhook(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<WebhookId>,
    body: Json<WebhookPatch>,
) -> Result<Reply> {
    service.update_webhook(&ctx, *id, body.0).await
}

/// Delete webhook
///
/// With its secrets and the log of its deliveries.
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookId, Path)),
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("auth.webhook:delete")),
        ("x-needs" = json!(["if-match"]))
    )
)]
#[delete("/webhooks/{id}")]
async fn delete_webhook(ctx: Ctx, service: Data<Service>, id: Path<WebhookId>) -> Result<Reply> {
    service.delete_webhook(&ctx, *id).await
}

/// Enable webhook
///
/// What was on its way goes on. What happened while it was disabled is not told: read it from
/// `GET /events`.
/// - Errors: 409 `webhook_enabled`.
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookId, Path)),
    responses((status = 200, body = Webhook)),
    extensions(
        ("x-permission" = json!("auth.webhook:enable")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["webhook_enabled"]))
    )
)]
#[post("/webhooks/{id}/enable")]
async fn enable_webhook(ctx: Ctx, service: Data<Service>, id: Path<WebhookId>) -> Result<Reply> {
    service.set_webhook_enabled(&ctx, *id, true).await
}

/// Disable webhook
///
/// Nothing is sent to it from now on.
/// - Errors: 409 `webhook_disabled`.
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookId, Path)),
    responses((status = 200, body = Webhook)),
    extensions(
        ("x-permission" = json!("auth.webhook:disable")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["webhook_disabled"]))
    )
)]
#[post("/webhooks/{id}/disable")]
async fn disable_webhook(ctx: Ctx, service: Data<Service>, id: Path<WebhookId>) -> Result<Reply> {
    service.set_webhook_enabled(&ctx, *id, false).await
}

/// Rotate webhook secret
///
/// Signs with a new secret; for `overlap_s` with the old one as well, each a signature in the
/// header, so that the other side can change over.
/// - An `Idempotency-Key` has no effect: a secret is not stored to be given out again.
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookId, Path)),
    request_body = Rotation,
    responses((status = 200, body = NewSecret)),
    extensions(
        ("x-permission" = json!("auth.webhook:rotate")),
        ("x-needs" = json!(["if-match", "no-idempotency-key", "step-up"]))
    )
)]
#[post("/webhooks/{id}/rotate-secret")]
async fn rotate_webhook_secret(
    ctx: Ctx,
    service: Data<Service>,
    request: HttpRequest,
    id: Path<WebhookId>,
    body: Json<Rotation>,
) -> Result<HttpResponse> {
    let rotated = service.rotate_webhook_secret(&ctx, *id, body.0.overlap_s).await?;
    Ok(no_store(&request, Reply::plain(&rotated)))
}

/// Ping webhook
///
/// Sends it an event `auth.webhook.ping`, whatever it is told of otherwise; what became of that
/// is in the delivery.
/// - Errors: 409 `webhook_disabled`.
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookId, Path)),
    responses((status = 202, body = WebhookDelivery)),
    extensions(
        ("x-permission" = json!("auth.webhook:ping")),
        ("x-errors" = json!(["webhook_disabled"]))
    )
)]
#[post("/webhooks/{id}/ping")]
async fn ping_webhook(ctx: Ctx, service: Data<Service>, id: Path<WebhookId>) -> Result<Reply> {
    service.ping_webhook(&ctx, *id).await
}
