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

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use actix_web::web;
use argon2::Params;
use chrono::TimeDelta;
use contracts::auth::{Auth, Served};
use kernel::config::{JwtConfig, Secret};
use kernel::db::{Db, Migrations, Script};
use kernel::events::log::EventLogs;
use kernel::module::ModuleDeps;
use kernel::redis::Redis;
use kernel::token::Revocations;
use kernel::{Error, Module, Result};
use sea_orm::{EntityTrait, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::entities::signing_key;
use crate::service::oidc_provider::Provider;
use crate::service::outside::Outside;
use crate::service::passkeys::relying_party;
use crate::service::passwords::Passwords;
use crate::service::segregation::unknown_duty;
use crate::service::signing::Signer;
use crate::service::vault::{Vault, lock_up};
use crate::service::{Attempts, Service, first_start};

/// The module's name in paths, permissions and events.
pub const NAME: &str = "auth";

/// The module's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Password of the first administrator, `admin`; empty or absent to have one made.
    /// Read at the first start only, and held to the rules for all passwords.
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
    /// The fewest characters of a password that is chosen from now on, 8..=128. NIST SP
    /// 800-63B-4 asks for 15 where there is no second factor.
    pub password_min_chars: usize,
    /// Life of an invitation in seconds.
    pub invitation_ttl_s: u64,
    /// Life of a link to a new password in seconds.
    pub reset_link_ttl_s: u64,
    /// Days after which access tokens are signed with a new key; 0 for never by itself.
    pub signing_key_days: u16,
    /// Pairs of permissions that nobody may have both of.
    pub segregation: Vec<(String, String)>,
    /// How others are told of events.
    pub webhooks: WebhooksConfig,
    /// Where people may sign in as well.
    pub oidc: OidcConfig,
    /// Which pages may use passkeys.
    pub passkeys: PasskeysConfig,
    /// What secrets that have to be known are encrypted with: 32 random bytes in base64url;
    /// empty to keep them as they are.
    pub encryption_key: Secret,
}

/// A provider of OpenID Connect.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// As it calls itself; empty for none.
    pub issuer: String,
    pub client_id: String,
    /// Empty for a public client.
    pub client_secret: Secret,
    /// The page it sends browsers back to.
    pub redirect_url: String,
    pub scopes: Vec<String>,
    /// Whether an address the provider has verified tells who somebody is here.
    pub link_by_email: bool,
    /// Whether somebody nobody knows is given an account.
    pub create_users: bool,
    /// Whether a second factor given there (`amr` has `mfa`) counts here.
    pub trust_mfa: bool,
    /// The claim that says what somebody is there.
    pub roles_claim: String,
    /// What it says, and the role that is here.
    pub roles: BTreeMap<String, String>,
}

/// Pages that may use passkeys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeysConfig {
    /// The host that keys belong to (the relying party's id); empty for no passkeys.
    pub rp_id: String,
    /// Where the pages are, such as `https://erp.example`: at that host or below it.
    pub origins: Vec<String>,
}

/// How webhooks are sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Seconds to wait after each failure; after one more a delivery is given up.
    pub retry_s: Vec<u32>,
    /// Longest wait for an answer, 1..=60.
    pub timeout_s: u64,
    /// How long nothing may arrive at a webhook before it is disabled.
    pub disable_after_s: u64,
    /// How long what became of a delivery is kept.
    pub keep_days: u16,
    /// Whether they may lead to private addresses and be without TLS: for tests.
    pub allow_private: bool,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        WebhooksConfig {
            retry_s: vec![5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
            timeout_s: 15,
            disable_after_s: 5 * 24 * 3600,
            keep_days: 30,
            allow_private: false,
        }
    }
}

/// What the module needs of others.
#[derive(Clone)]
pub struct Deps {
    pub module: ModuleDeps,
    /// Every permission an operation asks for, of all modules.
    pub permissions: Vec<String>,
    /// Those of them that may be used by who has them for some warehouses only.
    pub by_warehouse: Vec<String>,
    /// What access tokens are signed with.
    pub jwt: JwtConfig,
    /// Where those who check tokens in this process look.
    pub revocations: Arc<Revocations>,
    /// What the modules have published, wherever they are.
    pub logs: EventLogs,
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
    Script {
        number: 103,
        name: "auth_people",
        sql: include_str!("../../../migrations/auth/0103_people.sql"),
    },
    Script {
        number: 104,
        name: "auth_api_keys",
        sql: include_str!("../../../migrations/auth/0104_api_keys.sql"),
    },
    Script {
        number: 105,
        name: "auth_second_factor",
        sql: include_str!("../../../migrations/auth/0105_second_factor.sql"),
    },
    Script {
        number: 106,
        name: "auth_webhooks",
        sql: include_str!("../../../migrations/auth/0106_webhooks.sql"),
    },
    Script {
        number: 107,
        name: "auth_identities",
        sql: include_str!("../../../migrations/auth/0107_identities.sql"),
    },
    Script {
        number: 108,
        name: "auth_passkeys",
        sql: include_str!("../../../migrations/auth/0108_passkeys.sql"),
    },
    Script {
        number: 109,
        name: "auth_role_warehouses",
        sql: include_str!("../../../migrations/auth/0109_role_warehouses.sql"),
    },
    Script {
        number: 110,
        name: "auth_withdrawn_keys",
        sql: include_str!("../../../migrations/auth/0110_withdrawn_keys.sql"),
    },
    Script {
        number: 111,
        name: "auth_makers_of_keys",
        sql: include_str!("../../../migrations/auth/0111_makers_of_keys.sql"),
    },
    Script {
        number: 112,
        name: "auth_texts_that_ended",
        sql: include_str!("../../../migrations/auth/0112_texts_that_ended.sql"),
    },
];

/// The longest life of an access token: what the platform's specification allows.
const MAX_ACCESS_TOKEN_TTL_S: u64 = 900;
const MAX_REFRESH_TOKEN_TTL_S: u64 = 366 * 24 * 3600;
const MAX_WEBHOOK_TIMEOUT_S: u64 = 60;
const MAX_LINK_TTL_S: u64 = 90 * 24 * 3600;

impl Config {
    /// What cannot be used of it, beyond its types: the setting, and why. `permissions` are all
    /// there are, in their order.
    pub fn check(&self, permissions: &[String]) -> Result<(), (String, String)> {
        let refuse = |key: &str, why: String| Err((format!("auth.{key}"), why));
        for (key, seconds, max) in [
            ("access_token_ttl_s", self.access_token_ttl_s, MAX_ACCESS_TOKEN_TTL_S),
            ("refresh_token_ttl_s", self.refresh_token_ttl_s, MAX_REFRESH_TOKEN_TTL_S),
            ("invitation_ttl_s", self.invitation_ttl_s, MAX_LINK_TTL_S),
            ("reset_link_ttl_s", self.reset_link_ttl_s, MAX_LINK_TTL_S),
            ("webhooks.timeout_s", self.webhooks.timeout_s, MAX_WEBHOOK_TIMEOUT_S),
            ("webhooks.disable_after_s", self.webhooks.disable_after_s, MAX_LINK_TTL_S),
        ] {
            if !(1..=max).contains(&seconds) {
                return refuse(key, format!("must be 1 to {max}, is {seconds}"));
            }
        }
        if !(8..=128).contains(&self.password_min_chars) {
            return refuse("password_min_chars", "must be 8 to 128".into());
        }
        let given = self.admin_password.as_ref().map_or("", Secret::expose);
        if !given.is_empty()
            && let Err(why) = first_start::check_given(given, self.password_min_chars)
        {
            return refuse("admin_password", why);
        }
        if let Err(why) = Params::new(self.argon2_memory_kib, self.argon2_iterations, 1, None) {
            return refuse("argon2_memory_kib, auth.argon2_iterations", why.to_string());
        }
        Provider::new(&self.oidc).map_err(|why| within("oidc", &why))?;
        relying_party(&self.passkeys).map_err(|why| within("passkeys", &why))?;
        if let Err(why) = Vault::new(&self.encryption_key) {
            return refuse("encryption_key", why);
        }
        match unknown_duty(&self.segregation, permissions) {
            None => Ok(()),
            Some(duty) => refuse("segregation", format!("there is no permission {duty}")),
        }
    }
}

/// Of `issuer: must be ..`, said of a section, the setting and why.
fn within(section: &str, why: &str) -> (String, String) {
    match why.split_once(": ") {
        Some((key, why)) => (format!("auth.{section}.{key}"), why.to_owned()),
        None => (format!("auth.{section}"), why.to_owned()),
    }
}

/// Opens the module's data and hands out what it offers.
pub async fn build(config: Config, deps: Deps) -> Result<Built> {
    let mut permissions = deps.permissions;
    permissions.sort();
    config.check(&permissions).map_err(|(key, why)| Error::internal(format!("{key}: {why}")))?;
    let oidc = Provider::new(&config.oidc).map_err(Error::internal)?;
    let webauthn = relying_party(&config.passkeys).map_err(Error::internal)?;
    let vault = Vault::new(&config.encryption_key).map_err(Error::internal)?;
    let passwords = Passwords::new(config.argon2_memory_kib, config.argon2_iterations)?;
    let db = Db::open(NAME, MIGRATIONS, &deps.module).await?;
    let generated_admin_password =
        first_start::prepare(&db, &config, &permissions, &passwords, &vault).await?;
    lock_up(&db, &vault).await?;
    let keys = signing_key::Entity::find().order_by_desc(signing_key::Column::CreatedAt);
    let keys = keys.all(db.read()).await?;
    let ttl = TimeDelta::seconds(config.access_token_ttl_s as i64);
    let signer = Signer::new(&keys, ttl, &deps.jwt, &vault)?;
    let outside = Outside::new(config.webhooks.allow_private);
    let service = Arc::new(Service {
        db: db.clone(),
        config,
        permissions,
        by_warehouse: deps.by_warehouse,
        jwt: deps.jwt,
        passwords,
        attempts: Attempts::new(deps.redis),
        signer: RwLock::new(Arc::new(signer)),
        revocations: deps.revocations,
        logs: deps.logs,
        outside,
        oidc,
        webauthn,
        vault,
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
