//! Users: who may sign in.

use actix_web::web::Data;
use actix_web::{get, patch, post, put};
use chrono::{DateTime, Utc};
use contracts::ids::{RoleId, UserId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Email, Name, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::routes::passwords::NewPassword;
use crate::routes::usernames::Username;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_users)
        .service(get_user)
        .service(create_user)
        .service(update_user)
        .service(set_user_roles)
        .service(lock_user)
        .service(unlock_user)
        .service(disable_user)
        .service(enable_user);
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    pub id: UserId,
    /// What they sign in with; unique, whatever its case, and theirs for ever.
    #[schema(example = "ada")]
    pub username: String,
    #[schema(example = "Ada Lovelace")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Only active users can sign in. Users are never deleted.
    pub is_active: bool,
    pub status: Status,
    /// Since when signing in takes a code as well; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor_at: Option<DateTime<Utc>>,
    /// When they asked for a link to a new password, until one is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_requested_at: Option<DateTime<Utc>>,
    /// By name.
    pub roles: Vec<RoleRef>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Whether somebody can sign in, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Active,
    /// Has not chosen a password yet.
    Invited,
    /// For a while.
    Locked,
    /// For good.
    Disabled,
}

/// A role a user has.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RoleRef {
    pub id: RoleId,
    #[schema(example = "warehouse")]
    pub name: String,
}

impl Versioned for User {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A user to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// What they sign in with; unique, whatever its case, and without characters that cannot be
    /// seen. It cannot be changed.
    pub username: Username,
    pub name: Name,
    pub email: Option<Email>,
    pub password: NewPassword,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub role_ids: Vec<RoleId>,
}

/// Changes to a user: what is absent stays, null empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserPatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    #[serde(default, deserialize_with = "nullable")]
    pub email: Option<Option<Email>>,
}

/// All the roles a user is to have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRoles {
    #[schema(max_items = 100)]
    pub role_ids: Vec<RoleId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUsers {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the user with this user name, whatever its case.
    pub username: Option<Text<1, 64>>,
    pub is_active: Option<bool>,
    /// Only those who have asked for a link to a new password, or have not.
    pub reset_requested: Option<bool>,
}

/// List users
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Users",
    params(ListUsers),
    responses((status = 200, body = Page<User>)),
    extensions(("x-permission" = json!("auth.user:read")))
)]
#[get("/users")]
async fn list_users(service: Data<Service>, query: Query<ListUsers>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_users(query.0).await?))
}

/// Get user
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = User)),
    extensions(("x-permission" = json!("auth.user:read")))
)]
#[get("/users/{id}")]
async fn get_user(service: Data<Service>, id: Path<UserId>) -> Result<Reply> {
    Ok(Reply::ok(&service.user(*id).await?))
}

/// Create user
///
/// - An `Idempotency-Key` has no effect: nothing derived from a password is stored but
///   its argon2id hash. A repeat is refused as `username_taken`.
/// - To let somebody choose their own password, invite them (`POST /users/invite`).
/// - Errors: 409 `username_taken`; 422 `password_is_username`, `common_password`,
///   `unknown_role`; 403 `cannot_grant` if a role grants what the caller may not do.
#[utoipa::path(
    tag = "Users",
    request_body = NewUser,
    responses((status = 201, body = User)),
    extensions(
        ("x-permission" = json!("auth.user:create")),
        ("x-needs" = json!(["no-idempotency-key", "step-up"])),
        ("x-errors" = json!([
            "username_taken", "password_is_username", "common_password", "password_too_short",
            "unknown_role", "too_many_roles",
            "cannot_grant", "duties_conflict", "sign_in_busy"
        ]))
    )
)]
#[post("/users")]
async fn create_user(ctx: Ctx, service: Data<Service>, body: Json<NewUser>) -> Result<Reply> {
    service.create_user(&ctx, body.0).await
}

/// Update user
///
/// A JSON merge patch (RFC 7396). Who is to be kept out is locked or disabled.
/// - The address of somebody else is where links are sent, and may tell a provider of OpenID
///   Connect who they are: to change it takes a fresh proof of who asks, and all that they may do.
/// - Errors: 401 `step_up_required`; 403 `cannot_grant`.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    request_body(content = UserPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = User)),
    extensions(
        ("x-permission" = json!("auth.user:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["step_up_required", "cannot_grant"]))
    )
)]
#[patch("/users/{id}")]
async fn update_user(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<UserId>,
    body: Json<UserPatch>,
) -> Result<Reply> {
    service.update_user(&ctx, *id, body.0).await
}

/// Set user roles
///
/// Gives the user exactly these roles. It shows in the next access token they get.
/// - Errors: 403 `cannot_grant` if an added role grants what the caller may not do, or somebody
///   else may do it; 409 `last_administrator`; 422 `unknown_role`.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    request_body = UserRoles,
    responses((status = 200, body = User)),
    extensions(
        ("x-permission" = json!("auth.user:update")),
        ("x-needs" = json!(["if-match", "step-up"])),
        ("x-errors" = json!([
            "cannot_grant", "duties_conflict", "last_administrator", "unknown_role", "too_many_roles"
        ]))
    )
)]
#[put("/users/{id}/roles")]
async fn set_user_roles(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<UserId>,
    body: Json<UserRoles>,
) -> Result<Reply> {
    service.set_user_roles(&ctx, *id, body.0.role_ids).await
}

/// Lock user
///
/// Keeps somebody out until they are unlocked: their sessions and links to a new password end,
/// their API keys rest.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = User)),
    extensions(
        ("x-permission" = json!("auth.user:lock")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["last_administrator", "user_is_invited"]))
    )
)]
#[post("/users/{id}/lock")]
async fn lock_user(ctx: Ctx, service: Data<Service>, id: Path<UserId>) -> Result<Reply> {
    service.lock_user(&ctx, *id).await
}

/// Unlock user
///
/// Lets somebody in again.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = User)),
    extensions(
        ("x-permission" = json!("auth.user:lock")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["user_is_invited"]))
    )
)]
#[post("/users/{id}/unlock")]
async fn unlock_user(ctx: Ctx, service: Data<Service>, id: Path<UserId>) -> Result<Reply> {
    service.enable_user(&ctx, *id).await
}

/// Disable user
///
/// Keeps somebody out for good: who has left the company. Users are never deleted, old
/// documents name them.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = User)),
    extensions(
        ("x-permission" = json!("auth.user:disable")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["last_administrator"]))
    )
)]
#[post("/users/{id}/disable")]
async fn disable_user(ctx: Ctx, service: Data<Service>, id: Path<UserId>) -> Result<Reply> {
    service.disable_user(&ctx, *id).await
}

/// Enable user
///
/// Lets somebody in again who was disabled. Who was invited and has not chosen a password is
/// invited again, and needs a new link.
#[utoipa::path(
    tag = "Users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = User)),
    extensions(
        ("x-permission" = json!("auth.user:disable")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["user_is_invited"]))
    )
)]
#[post("/users/{id}/enable")]
async fn enable_user(ctx: Ctx, service: Data<Service>, id: Path<UserId>) -> Result<Reply> {
    service.enable_user(&ctx, *id).await
}
