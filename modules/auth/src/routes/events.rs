//! Events, for whoever comes and asks instead of being told.

use actix_web::get;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use kernel::http::{Query, Reply, Routes};
use kernel::page::Limit;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::routes::webhooks::EventFilter;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_events).service(list_event_types);
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublicEvent {
    pub id: Uuid,
    #[serde(rename = "type")]
    #[schema(example = "orders.order.confirmed")]
    pub kind: String,
    /// Raised when a field of `data` changes its meaning.
    #[schema(example = 1)]
    pub version: u16,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
    /// What it happened to.
    pub aggregate_id: Uuid,
    /// In what order things happened to that.
    pub aggregate_version: i64,
    /// The request it began with.
    pub correlation_id: String,
    /// As its type has it.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// Events, and where to go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    pub data: Vec<PublicEvent>,
    pub page: EventPageInfo,
    /// Modules that could not be asked: their events come on a later page.
    #[schema(example = json!([]))]
    pub unavailable: Vec<&'static str>,
}

/// Where the events go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPageInfo {
    /// Give it back as `cursor`, now or whenever there may be more.
    #[schema(max_length = 512, example = "eyJhdXRoIjozfQ..")]
    pub next_cursor: String,
    /// Whether more are there already.
    pub has_more: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListEvents {
    #[serde(default)]
    pub limit: Limit,
    /// The `next_cursor` of the page before. Opaque: what it holds may change.
    #[param(max_length = 512)]
    pub cursor: Option<String>,
    /// Without a cursor: only events since then; all there are if absent.
    pub since: Option<DateTime<Utc>>,
    /// Only this type, or `module.*`.
    pub r#type: Option<EventFilter>,
}

/// Types of event.
#[derive(Debug, Serialize, ToSchema)]
struct EventTypes {
    /// Sorted.
    data: &'static [&'static str],
}

/// List events
///
/// What happened in all modules, oldest first: each module's events in the order they happened
/// to each of its things, those of several modules about in the order of time. Each comes once
/// as long as the cursor is given back. It holds what webhooks are told, for those who would
/// rather ask.
/// - Errors: 400 `invalid_cursor`; 422 `unknown_event_type`.
#[utoipa::path(
    tag = "Webhooks",
    params(ListEvents),
    responses((status = 200, body = EventPage)),
    extensions(
        ("x-permission" = json!("auth.event:read")),
        ("x-errors" = json!(["invalid_cursor", "unknown_event_type"]))
    )
)]
#[get("/events")]
async fn list_events(ctx: Ctx, service: Data<Service>, query: Query<ListEvents>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_events(&ctx, query.0).await?))
}

/// List event types
#[utoipa::path(
    tag = "Webhooks",
    responses((status = 200, body = EventTypes)),
    extensions(("x-permission" = json!("auth.event:read")))
)]
#[get("/event-types")]
async fn list_event_types() -> Result<Reply> {
    Ok(Reply::plain(&EventTypes { data: contracts::events::TYPES }))
}
