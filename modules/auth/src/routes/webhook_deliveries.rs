//! What has become of events that webhooks are told of.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{WebhookDeliveryId, WebhookId};
use kernel::http::{Path, Query, Reply, Routes};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::webhook_delivery::State;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_webhook_deliveries)
        .service(get_webhook_delivery)
        .service(replay_webhook_delivery);
}

/// An event on its way to a webhook, or there, or given up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDelivery {
    pub id: WebhookDeliveryId,
    pub webhook_id: WebhookId,
    /// Sent as `webhook-id`.
    pub event_id: Uuid,
    #[schema(example = "orders.order.confirmed")]
    pub event_type: String,
    pub state: State,
    /// How often it was sent, since it was last replayed.
    pub attempts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<DateTime<Utc>>,
    /// What the other side answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 200)]
    pub response_status: Option<i64>,
    /// Why it did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long the last attempt took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWebhookDeliveries {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only those to this webhook.
    pub webhook_id: Option<WebhookId>,
    /// Only those of which this has become.
    pub state: Option<State>,
}

/// List webhook deliveries
///
/// Newest first unless `sort` says otherwise. They are kept for `auth.webhooks.keep_days`.
#[utoipa::path(
    tag = "Webhooks",
    params(ListWebhookDeliveries),
    responses((status = 200, body = Page<WebhookDelivery>)),
    extensions(("x-permission" = json!("auth.webhook:read")))
)]
#[get("/webhook-deliveries")]
async fn list_webhook_deliveries(
    service: Data<Service>,
    query: Query<ListWebhookDeliveries>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_webhook_deliveries(query.0).await?))
}

/// Get webhook delivery
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookDeliveryId, Path)),
    responses((status = 200, body = WebhookDelivery)),
    extensions(("x-permission" = json!("auth.webhook:read")))
)]
#[get("/webhook-deliveries/{id}")]
async fn get_webhook_delivery(
    service: Data<Service>,
    id: Path<WebhookDeliveryId>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.webhook_delivery(*id).await?))
}

/// Replay webhook delivery
///
/// Sends it again, at once and then as often as a new one, whether it had arrived or not.
/// - Errors: 409 `webhook_disabled`.
#[utoipa::path(
    tag = "Webhooks",
    params(("id" = WebhookDeliveryId, Path)),
    responses((status = 202, body = WebhookDelivery)),
    extensions(
        ("x-permission" = json!("auth.webhook:replay")),
        ("x-errors" = json!(["webhook_disabled"]))
    )
)]
#[post("/webhook-deliveries/{id}/replay")]
async fn replay_webhook_delivery(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<WebhookDeliveryId>,
) -> Result<Reply> {
    service.replay_webhook_delivery(&ctx, *id).await
}
