//! Events that a subscriber refused too often.

use actix_web::web::Data;
use actix_web::{get, post};
use kernel::events::parked::{self, ParkedEvents};
use kernel::http::{Path, Reply, Routes};
use kernel::{Ctx, Result};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_parked_inventory_events)
        .service(replay_parked_inventory_event)
        .service(drop_parked_inventory_event);
}

/// List parked events
///
/// Events of this module that a subscriber refused too often, the oldest first and at most a
/// hundred. Each holds back what came after it of the same aggregate.
#[utoipa::path(
    tag = "Events",
    responses((status = 200, body = ParkedEvents)),
    extensions(("x-permission" = json!("inventory.event:read")))
)]
#[get("/parked-events")]
async fn list_parked_inventory_events(service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&parked::list(&service.db).await?))
}

/// Replay a parked event
///
/// Has it delivered again, with as many tries as a new one.
#[utoipa::path(
    tag = "Events",
    params(("id" = i64, Path, description = "The delivery, as listed")),
    responses((status = 204)),
    extensions(("x-permission" = json!("inventory.event:replay")))
)]
#[post("/parked-events/{id}/replay")]
async fn replay_parked_inventory_event(
    service: Data<Service>,
    ctx: Ctx,
    id: Path<i64>,
) -> Result<Reply> {
    parked::replay(&service.db, &ctx, *id).await
}

/// Drop a parked event
///
/// Gives it up: its subscriber never hears of it, and what waited for it is delivered. What it
/// would have done there has to be put right by hand.
#[utoipa::path(
    tag = "Events",
    params(("id" = i64, Path, description = "The delivery, as listed")),
    responses((status = 204)),
    extensions(("x-permission" = json!("inventory.event:drop")))
)]
#[post("/parked-events/{id}/drop")]
async fn drop_parked_inventory_event(
    service: Data<Service>,
    ctx: Ctx,
    id: Path<i64>,
) -> Result<Reply> {
    parked::drop(&service.db, &ctx, *id).await
}
