//! The first start: a signing key, roles to begin with, and somebody who may sign in.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use contracts::ids::{RoleId, UserId};
use kernel::config::Secret;
use kernel::db::{Db, Tx, lock_table};
use kernel::{Ctx, Error, Result};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QuerySelect};
use serde_json::json;

use crate::Config;
use crate::entities::{Hidden, role, role_permission, user, user_role};
use crate::routes::passwords::NewPassword;
use crate::service::default_roles::{ADMINISTRATOR, DEFAULT_ROLES, expand};
use crate::service::grants::union;
use crate::service::password_rules;
use crate::service::passwords::Passwords;
use crate::service::signing::{new_key, random_bytes};
use crate::service::vault::Vault;

const ADMIN: &str = "admin";

/// Prepares an empty database; does nothing with any other. Returns the administrator's
/// password if it was made here.
pub(crate) async fn prepare(
    db: &Db,
    config: &Config,
    permissions: &[String],
    passwords: &Passwords,
    vault: &Vault,
) -> Result<Option<Secret>> {
    if is_prepared(db.read()).await? {
        return Ok(None);
    }
    let ctx = Ctx::system("first_start");
    let given = config.admin_password.clone().filter(|password| !password.expose().is_empty());
    let generated = match given {
        Some(_) => None,
        // 144 bits: nobody types it twice, everybody changes it.
        None => Some(Secret::new(BASE64URL.encode(random_bytes::<18>()?))),
    };
    let password = given.as_ref().or(generated.as_ref()).map_or("", Secret::expose);
    let hash = passwords.hash(passwords.turn(&ctx).await?, password).await?;
    let mut tx = db.begin(&ctx).await?;
    lock_table(&*tx, "users").await?;
    // Another process may have been faster.
    if is_prepared(&*tx).await? {
        return Ok(None);
    }
    let key = new_key(tx.now(), vault)?;
    tx.audit_new("signing_key", key.id, &json!({ "kid": key.kid }))?;
    key.into_active_model().insert(&*tx).await?;
    let administrator = insert_roles(&mut tx, permissions).await?;
    insert_admin(&mut tx, hash, administrator).await?;
    tx.commit().await?;
    Ok(generated)
}

/// Whether the settings may say this password.
pub(crate) fn check_given(password: &str, min: usize) -> Result<(), String> {
    NewPassword::parse(password)?;
    password_rules::check(password, ADMIN, min, "/password").map_err(|error| error.to_string())
}

async fn is_prepared(conn: &impl ConnectionTrait) -> Result<bool> {
    let row = user::Entity::find().select_only().column(user::Column::Id).limit(1);
    Ok(row.into_tuple::<UserId>().one(conn).await?.is_some())
}

/// Inserts the roles and returns the administrator's.
async fn insert_roles(tx: &mut Tx, permissions: &[String]) -> Result<RoleId> {
    let mut administrator = None;
    let mut roles = Vec::new();
    let mut grants = Vec::new();
    for default in DEFAULT_ROLES {
        let id = RoleId::new();
        if default.name == ADMINISTRATOR {
            administrator = Some(id);
        }
        let granted = union(default.grants.iter().flat_map(|pattern| expand(pattern, permissions)));
        tx.audit_new("role", id.uuid(), &json!({ "name": default.name, "permissions": granted }))?;
        roles.push(role::Model {
            id,
            name: default.name.into(),
            name_key: default.name.into(),
            description: Some(default.description.into()),
            requires_second_factor: false,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        });
        grants.extend(
            granted
                .into_iter()
                .map(|permission| role_permission::Model { role_id: id, permission }),
        );
    }
    let roles = roles.into_iter().map(IntoActiveModel::into_active_model);
    role::Entity::insert_many(roles).exec_without_returning(&**tx).await?;
    let grants = grants.into_iter().map(IntoActiveModel::into_active_model);
    role_permission::Entity::insert_many(grants).exec_without_returning(&**tx).await?;
    administrator.ok_or_else(|| Error::internal("the administrator's role is not listed"))
}

async fn insert_admin(tx: &mut Tx, password_hash: Hidden, administrator: RoleId) -> Result<()> {
    let id = UserId::new();
    let admin = user::Model {
        id,
        username: ADMIN.into(),
        username_key: ADMIN.into(),
        name: "Administrator".into(),
        email: None,
        password_hash,
        is_active: true,
        hold: None,
        reset_requested_at: None,
        second_factor_at: None,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    admin.into_active_model().insert(&**tx).await?;
    let grant = user_role::Model { user_id: id, role_id: administrator };
    user_role::Entity::insert(grant.into_active_model()).exec_without_returning(&**tx).await?;
    tx.audit_new("user", id.uuid(), &json!({ "username": ADMIN, "roles": [ADMINISTRATOR] }))
}
