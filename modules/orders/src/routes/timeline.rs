//! What happened to an order, in one feed.

use actix_web::get;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use contracts::ids::OrderId;
use kernel::Result;
use kernel::http::{Path, Query, Reply, Routes};
use kernel::page::{Cursor, Limit, Page, Sort};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_order_timeline);
}

/// Something that happened to an order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineEntry {
    pub id: Uuid,
    #[serde(rename = "type")]
    #[schema(example = "orders.shipment.shipped")]
    pub kind: String,
    pub occurred_at: DateTime<Utc>,
    pub actor: TimelineActor,
    /// The facts of it; of a list, how long it is.
    #[schema(value_type = Object, example = json!({"number": "SH-2026-000042", "lines": 3}))]
    pub summary: Map<String, Value>,
}

/// Who did it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TimelineActor {
    /// `user`, `system` or `anonymous`.
    #[schema(example = "user")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub name: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadTimeline {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
}

/// Get order timeline
///
/// What happened to the order and its shipments and returns, newest first unless `sort`
/// says otherwise.
#[utoipa::path(
    tag = "Orders",
    params(("id" = OrderId, Path), ReadTimeline),
    responses((status = 200, body = Page<TimelineEntry>)),
    extensions(("x-permission" = json!("orders.order:read")))
)]
#[get("/orders/{id}/timeline")]
async fn get_order_timeline(
    service: Data<Service>,
    id: Path<OrderId>,
    query: Query<ReadTimeline>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.order_timeline(*id, query.0).await?))
}
