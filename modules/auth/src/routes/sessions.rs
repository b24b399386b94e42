//! Sessions: where somebody is signed in, and an end to it.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use contracts::ids::{SessionId, UserId};
use kernel::http::{Path, Query, Reply, Routes};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_my_sessions)
        .service(revoke_my_sessions)
        .service(revoke_my_session)
        .service(list_user_sessions)
        .service(revoke_user_sessions)
        .service(revoke_user_session);
}

/// Where somebody is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub is_current: bool,
    /// Where it was used last; of an IPv6 address its network.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "192.0.2.17")]
    pub address: Option<String>,
    /// What it said it was (`User-Agent`) when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// When tokens of it were last given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<DateTime<Utc>>,
    /// When its owner last proved who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated_at: Option<DateTime<Utc>>,
    /// When a code was last given in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSessions {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
}

/// List my sessions
///
/// Where the caller is signed in now, newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Me",
    params(ListSessions),
    responses((status = 200, body = Page<Session>)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-errors" = json!(["session_required"]))
    )
)]
#[get("/me/sessions")]
async fn list_my_sessions(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<ListSessions>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.my_sessions(&ctx, query.0).await?))
}

/// Revoke my sessions
///
/// Ends all sessions of the caller but the one that asks. They work nowhere within seconds.
#[utoipa::path(
    tag = "Me",
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-errors" = json!(["session_required"]))
    )
)]
#[post("/me/sessions/revoke")]
async fn revoke_my_sessions(ctx: Ctx, service: Data<Service>) -> Result<Reply> {
    service.revoke_my_sessions(&ctx).await
}

/// Revoke my session
///
/// Ends one session of the caller, as signing out there would.
#[utoipa::path(
    tag = "Me",
    params(("id" = SessionId, Path)),
    responses((status = 204)),
    extensions(
        ("x-permission" = json!("self")),
        ("x-errors" = json!(["session_required"]))
    )
)]
#[post("/me/sessions/{id}/revoke")]
async fn revoke_my_session(ctx: Ctx, service: Data<Service>, id: Path<SessionId>) -> Result<Reply> {
    service.revoke_my_session(&ctx, *id).await
}

/// List user sessions
///
/// Where somebody is signed in now, newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path), ListSessions),
    responses((status = 200, body = Page<Session>)),
    extensions(("x-permission" = json!("auth.session:read")))
)]
#[get("/users/{id}/sessions")]
async fn list_user_sessions(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<UserId>,
    query: Query<ListSessions>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.sessions_of(&ctx, *id, query.0).await?))
}

/// Revoke user sessions
///
/// Ends all sessions of somebody. They can sign in again; to keep them out, lock them.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 204)),
    extensions(("x-permission" = json!("auth.session:revoke")))
)]
#[post("/users/{id}/sessions/revoke")]
async fn revoke_user_sessions(ctx: Ctx, service: Data<Service>, id: Path<UserId>) -> Result<Reply> {
    service.revoke_sessions_of(&ctx, *id).await
}

/// Revoke user session
///
/// Ends one session of somebody.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path), ("session_id" = SessionId, Path)),
    responses((status = 204)),
    extensions(("x-permission" = json!("auth.session:revoke")))
)]
#[post("/users/{id}/sessions/{session_id}/revoke")]
async fn revoke_user_session(
    ctx: Ctx,
    service: Data<Service>,
    ids: Path<(UserId, SessionId)>,
) -> Result<Reply> {
    service.revoke_session(&ctx, ids.0.0, ids.0.1).await
}
