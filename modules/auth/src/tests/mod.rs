//! Tests of the module by itself, each on its own database.

mod first_start;
mod guessing;
mod laws;
mod sequences;
mod sessions;
mod vault;

use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use chrono::TimeDelta;
use contracts::ids::{RoleId, UserId};
use kernel::Ctx;
use kernel::config::{CompanyConfig, DataConfig, JwtConfig, Secret, Synchronous};
use kernel::db::{Db, Tx, evaluate, query_all};
use kernel::module::ModuleDeps;
use kernel::money::{Currency, Rounding};
use kernel::text::Text;
use kernel::token::Permissions;
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult};
use uuid::Uuid;

use crate::entities::{role, signing_key, user};
use crate::routes::passwords::NewPassword;
use crate::routes::tokens::TokenSet;
use crate::routes::usernames::Username;
use crate::routes::users::NewUser;
use crate::service::outside::Outside;
use crate::service::passwords::Passwords;
use crate::service::sessions::Credentials;
use crate::service::signing::Signer;
use crate::service::vault::Vault;
use crate::service::{Attempts, Service, first_start as start, laws as law_list};
use crate::{Config, Deps, MIGRATIONS, NAME};

const PASSWORD: &str = "correct horse battery staple";
const KNOWN: [&str; 4] =
    ["auth.user:read", "orders.order:confirm", "orders.order:read", "sales.customer:read"];

/// A service on a database of its own, removed when dropped.
struct Fixture {
    service: Arc<Service>,
    dir: PathBuf,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn new_dir() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("erp-auth-{}", Uuid::now_v7()));
    std::fs::create_dir_all(&dir).expect("writable");
    dir
}

async fn deps(dir: &std::path::Path) -> Deps {
    Deps {
        module: ModuleDeps {
            sql: test_support::sql(&[NAME]).await,
            data: DataConfig {
                dir: dir.to_owned(),
                read_connections: 2,
                acquire_timeout_ms: 10_000,
                synchronous: Synchronous::Normal,
            },
            company: CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp },
            subscriptions: &[],
            cache: Default::default(),
            metrics: Default::default(),
        },
        permissions: KNOWN.map(str::to_owned).into(),
        by_warehouse: Vec::new(),
        revocations: Default::default(),
        jwt: JwtConfig::default(),
        logs: Default::default(),
        redis: None,
    }
}

/// As cheap as argon2 gets: these tests are not about its cost.
fn config() -> Config {
    Config {
        admin_password: Some(Secret::new(PASSWORD)),
        access_token_ttl_s: 900,
        refresh_token_ttl_s: 3600,
        argon2_memory_kib: 8,
        argon2_iterations: 1,
        password_min_chars: 8,
        invitation_ttl_s: 3600,
        reset_link_ttl_s: 3600,
        signing_key_days: 90,
        segregation: Vec::new(),
        webhooks: Default::default(),
        oidc: Default::default(),
        passkeys: Default::default(),
        encryption_key: Secret::default(),
    }
}

async fn fixture() -> Fixture {
    let dir = new_dir();
    let deps = deps(&dir).await;
    let config = config();
    let db = Db::open(NAME, MIGRATIONS, &deps.module).await.expect("opens");
    let passwords = Passwords::new(8, 1).expect("valid");
    start::prepare(&db, &config, &deps.permissions, &passwords, &Vault::default())
        .await
        .expect("prepared");
    let keys = signing_key::Entity::find().all(db.read()).await.expect("readable");
    let signer =
        Signer::new(&keys, TimeDelta::seconds(900), &deps.jwt, &Vault::default()).expect("a key");
    let service = Service {
        db,
        config,
        permissions: deps.permissions,
        by_warehouse: deps.by_warehouse,
        jwt: deps.jwt,
        passwords,
        attempts: Attempts::default(),
        revocations: Default::default(),
        logs: Default::default(),
        outside: Outside::new(false),
        oidc: None,
        webauthn: None,
        vault: Vault::default(),
        signer: RwLock::new(Arc::new(signer)),
    };
    Fixture { service: Arc::new(service), dir }
}

impl Fixture {
    async fn sign_in(&self, name: &str, password: &str) -> kernel::Result<TokenSet> {
        let name: Text<1, 64> = Text::parse(name).expect("a name");
        let credentials = Credentials {
            username: &name,
            password: &Secret::new(password),
            code: None,
            in_cookies: false,
        };
        self.service.sign_in(&Ctx::system("test"), credentials).await
    }

    async fn refresh(&self, token: &str) -> kernel::Result<TokenSet> {
        self.service.refresh(&Ctx::system("test"), &Secret::new(token), false).await
    }

    async fn create_user(&self, name: &str, roles: Vec<RoleId>) -> kernel::Result<UserId> {
        let new = NewUser {
            username: Username::parse(name).expect("a user name"),
            name: Text::parse("Somebody").expect("a name"),
            email: None,
            password: NewPassword::parse(PASSWORD).expect("long enough"),
            role_ids: roles,
        };
        self.service.create_user(&everything(), new).await?;
        Ok(self.user_id(name).await)
    }

    async fn user_id(&self, name: &str) -> UserId {
        use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
        let select = user::Entity::find().filter(user::Column::UsernameKey.eq(name.to_lowercase()));
        select.one(self.service.db.read()).await.expect("readable").expect("known").id
    }

    async fn role_id(&self, name: &str) -> RoleId {
        use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
        let select = role::Entity::find().filter(role::Column::NameKey.eq(name));
        select.one(self.service.db.read()).await.expect("readable").expect("known").id
    }

    async fn tx(&self) -> Tx {
        self.service.db.begin(&Ctx::system("test")).await.expect("begins")
    }

    /// Every law with its count of violations.
    async fn violations(&self) -> Vec<(&'static str, i64)> {
        let report = evaluate(self.service.db.read(), law_list::LAWS).await.expect("readable");
        report.laws.iter().map(|law| (law.id, law.violations)).collect()
    }

    async fn assert_lawful(&self) {
        let broken: Vec<_> = self.violations().await.into_iter().filter(|(_, n)| *n != 0).collect();
        assert!(broken.is_empty(), "{broken:?}");
    }
}

/// Somebody who may do everything.
fn everything() -> Ctx {
    with_permissions(&["*"])
}

fn with_permissions(grants: &[&str]) -> Ctx {
    let mut ctx = Ctx::system("test");
    let grants = grants.iter().map(ToString::to_string).collect();
    ctx.permissions = Arc::new(Permissions::new(grants));
    ctx
}

#[derive(FromQueryResult)]
struct Line {
    line: String,
}

/// The first column, `line`, of a query.
async fn lines(conn: &impl ConnectionTrait, sql: &str) -> Vec<String> {
    let rows: Vec<Line> = query_all(conn, sql, vec![]).await.expect(sql);
    rows.into_iter().map(|row| row.line).collect()
}
