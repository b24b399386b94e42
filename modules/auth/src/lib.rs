//! Auth owns who may sign in and what they may do: users, roles, sessions, and the key
//! that access tokens are signed with. It does not own the checking of a token, which
//! every module does by itself with the public key, nor what a permission means, which is
//! the business of the module it names.

mod entities;
mod error;
mod events;
mod routes;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::web;
use chrono::TimeDelta;
use contracts::auth::{Auth, Served};
use kernel::config::Secret;
use kernel::db::{Db, Migrations, Script};
use kernel::module::ModuleDeps;
use kernel::redis::Redis;
use kernel::token::Revocations;
use kernel::{Error, Module, Result};
use sea_orm::{EntityTrait, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::entities::signing_key;
use crate::service::passwords::Passwords;
use crate::service::signing::Signer;
use crate::service::{Attempts, Service, first_start};

/// The module's name in paths, permissions and events.
pub const NAME: &str = "auth";

/// The module's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Password of the first administrator, `admin`; empty or absent to have one made.
    /// Read at the first start only.
    pub admin_password: Option<Secret>,
    /// Life of an access token in seconds, 1..=900: so long works what was revoked.
    pub access_token_ttl_s: u64,
    /// Life of a session that is not used, in seconds, up to a year.
    pub refresh_token_ttl_s: u64,
    /// argon2id: memory for one password, in KiB.
    pub argon2_memory_kib: u32,
    /// argon2id: passes over it. After a change of either, each password moves to the new
    /// cost when it is next used.
    pub argon2_iterations: u32,
}

/// What the module needs of others.
#[derive(Clone)]
pub struct Deps {
    pub module: ModuleDeps,
    /// Every permission an operation asks for, of all modules.
    pub permissions: Vec<String>,
    /// Where those who check tokens in this process look.
    pub revocations: Arc<Revocations>,
    /// Where wrong passwords are counted for all replicas.
    pub redis: Option<Redis>,
}

/// What `build` hands out.
pub struct Built {
    pub module: Module,
    pub auth: Arc<dyn Auth>,
    /// The first administrator's password, if this start made one; it is nowhere else.
    pub generated_admin_password: Option<Secret>,
}

/// The scripts of its schema.
pub const MIGRATIONS: Migrations = &[
    Script {
        number: 100,
        name: "auth",
        sql: include_str!("../../../migrations/auth/0100_tables.sql"),
    },
    Script {
        number: 101,
        name: "auth_triggers",
        sql: include_str!("../../../migrations/auth/0101_triggers.sql"),
    },
    Script {
        number: 102,
        name: "auth_ended_sessions",
        sql: include_str!("../../../migrations/auth/0102_ended_sessions.sql"),
    },
];

/// The longest life of an access token: what the platform's specification allows.
const MAX_ACCESS_TOKEN_TTL_S: u64 = 900;
const MAX_REFRESH_TOKEN_TTL_S: u64 = 366 * 24 * 3600;

/// Opens the module's data and hands out what it offers.
pub async fn build(config: Config, deps: Deps) -> Result<Built> {
    check(config.access_token_ttl_s, MAX_ACCESS_TOKEN_TTL_S, "auth.access_token_ttl_s")?;
    check(config.refresh_token_ttl_s, MAX_REFRESH_TOKEN_TTL_S, "auth.refresh_token_ttl_s")?;
    let passwords = Passwords::new(config.argon2_memory_kib, config.argon2_iterations)?;
    let db = Db::open(NAME, MIGRATIONS, &deps.module).await?;
    let mut permissions = deps.permissions;
    permissions.sort();
    let generated_admin_password =
        first_start::prepare(&db, &config, &permissions, &passwords).await?;
    let keys = signing_key::Entity::find().order_by_desc(signing_key::Column::CreatedAt);
    let keys = keys.all(db.read()).await?;
    let signer = Signer::new(&keys, TimeDelta::seconds(config.access_token_ttl_s as i64))?;
    let service = Arc::new(Service {
        db: db.clone(),
        config,
        permissions,
        passwords,
        attempts: Attempts::new(deps.redis),
        signer,
        revocations: deps.revocations,
    });
    let data = web::Data::from(service.clone());
    let module = Module {
        name: NAME,
        db,
        routes: Arc::new(move |routes| {
            routes.app_data(data.clone());
            routes::configure(routes);
        }),
        subscriber: service.clone(),
        contract: Arc::new(Served(service.clone())),
        jobs: Service::jobs(&service),
    };
    Ok(Built { module, auth: service, generated_admin_password })
}

fn check(seconds: u64, max: u64, key: &str) -> Result<()> {
    if (1..=max).contains(&seconds) {
        return Ok(());
    }
    Err(Error::internal(format!("{key}: must be 1 to {max}, is {seconds}")))
}
