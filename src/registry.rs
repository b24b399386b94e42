//! Which module is in this process and which is elsewhere. The only file that knows what
//! was compiled in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use contracts::auth::Auth;
use contracts::billing::Billing;
use contracts::events::SUBSCRIPTIONS;
use contracts::ids::SessionId;
use contracts::inventory::Inventory;
use contracts::sales::Sales;
use kernel::cache::Cache;
use kernel::config::Secret;
use kernel::db::Migrations;
use kernel::events::dapr::{Sidecar, Topic};
use kernel::events::log::{EventLog, EventLogs};
use kernel::events::{Subscriber, SubscriberMap};
use kernel::metrics::Metrics;
use kernel::module::ModuleDeps;
use kernel::redis::Redis;
use kernel::remote::{Address, Remote};
use kernel::service::Identity;
use kernel::token::{KeySource, PublicKey, Revocations};
use kernel::{Ctx, Module, Result};
use reqwest::Client;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::config::{Config, ConfigError};
use crate::gateway::MODULES;
use crate::server::StartError;

/// Names of the modules this binary contains.
pub const COMPILED: &[&str] = &[
    #[cfg(feature = "auth")]
    "auth",
    #[cfg(feature = "billing")]
    "billing",
    #[cfg(feature = "inventory")]
    "inventory",
    #[cfg(feature = "orders")]
    "orders",
    #[cfg(feature = "purchasing")]
    "purchasing",
    #[cfg(feature = "sales")]
    "sales",
];

/// Their scripts.
const MIGRATIONS: &[(&str, Migrations)] = &[
    #[cfg(feature = "auth")]
    (auth::NAME, auth::MIGRATIONS),
    #[cfg(feature = "billing")]
    (billing::NAME, billing::MIGRATIONS),
    #[cfg(feature = "inventory")]
    (inventory::NAME, inventory::MIGRATIONS),
    #[cfg(feature = "orders")]
    (orders::NAME, orders::MIGRATIONS),
    #[cfg(feature = "purchasing")]
    (purchasing::NAME, purchasing::MIGRATIONS),
    #[cfg(feature = "sales")]
    (sales::NAME, sales::MIGRATIONS),
];

/// What a process consists of.
pub struct Registry {
    /// Modules mounted here.
    pub modules: Vec<Module>,
    /// The way to every module that hears events, here or elsewhere.
    pub subscribers: SubscriberMap,
    /// Where tokens are checked from.
    pub keys: Arc<dyn KeySource>,
    /// What this process knows of ended sessions.
    pub revocations: Arc<Revocations>,
    /// The first administrator's password, if this start made one.
    pub generated_admin_password: Option<Secret>,
}

/// Who needs what: the contracts a module is given, by the callers' names. The registry
/// below follows it and a test holds the crates to it.
pub const CALLS: &[(&str, &[&str])] = &[
    ("orders", &["billing", "inventory", "sales"]),
    ("purchasing", &["billing", "inventory"]),
    ("sales", &["billing", "inventory"]),
];

/// Whether `module` is to run in this process.
pub fn is_mounted(config: &Config, module: &str) -> bool {
    COMPILED.contains(&module) && config.modules.iter().any(|m| m == "*" || m == module)
}

/// The modules that are to run in this process, with their scripts.
pub fn migrations(config: &Config) -> Vec<(&'static str, Migrations)> {
    MIGRATIONS.iter().filter(|(module, _)| is_mounted(config, module)).copied().collect()
}

/// Reads the settings of every module, and checks those of the mounted, so that a mistake shows
/// before anything is opened.
pub fn check_module_settings(config: &Config) -> Result<(), ConfigError> {
    for module in config.modules.iter().filter(|module| *module != "*") {
        if !COMPILED.contains(&module.as_str()) {
            let compiled = COMPILED.join(", ");
            let why = format!("{module} is not part of this build, which has {compiled}");
            return Err(config.refusal("modules", &why));
        }
    }
    #[cfg(feature = "auth")]
    check(config, auth::NAME, |settings: auth::Config| {
        let mut permissions = crate::spec::permissions();
        permissions.sort();
        settings.check(&permissions)
    })?;
    #[cfg(feature = "billing")]
    check(config, billing::NAME, |_: billing::Config| Ok(()))?;
    #[cfg(feature = "inventory")]
    check(config, inventory::NAME, |settings: inventory::Config| settings.check())?;
    #[cfg(feature = "orders")]
    check(config, orders::NAME, |settings: orders::Config| settings.check())?;
    #[cfg(feature = "purchasing")]
    check(config, purchasing::NAME, |_: purchasing::Config| Ok(()))?;
    #[cfg(feature = "sales")]
    check(config, sales::NAME, |_: sales::Config| Ok(()))?;
    Ok(())
}

// A gateway alone has no module.
#[cfg_attr(not(any(feature = "auth", feature = "billing")), allow(dead_code))]
fn check<T: DeserializeOwned>(
    config: &Config,
    module: &str,
    check: impl Fn(T) -> Result<(), (String, String)>,
) -> Result<(), ConfigError> {
    let settings = config.module(module)?;
    match is_mounted(config, module) {
        true => check(settings).map_err(|(key, why)| config.refusal(&key, &why)),
        false => Ok(()),
    }
}

/// Builds the modules that are mounted and the way to those that are not.
pub async fn build(
    config: &Config,
    client: &Client,
    metrics: &Metrics,
    cache: Cache,
    redis: Option<Redis>,
) -> Result<Registry, StartError> {
    let deps = ModuleDeps {
        data: config.data.clone(),
        sql: config.sql.clone(),
        company: config.company,
        subscriptions: SUBSCRIPTIONS,
        cache,
        metrics: metrics.clone(),
    };
    let mut builder = Builder {
        config,
        identity: identity(config)?,
        client,
        sidecar: sidecar(config, client),
        modules: Vec::new(),
        subscribers: HashMap::new(),
        revocations: Arc::default(),
        logs: BTreeMap::new(),
        all_logs: EventLogs::default(),
        redis,
        generated_admin_password: None,
    };
    let auth = builder.auth(&deps).await?;
    let billing = builder.billing(&deps).await?;
    let inventory = builder.inventory(&deps).await?;
    let sales = builder.sales(&deps, &inventory, &billing).await?;
    builder.purchasing(&deps, &inventory, &billing).await?;
    builder.orders(&deps, &sales, &inventory, &billing).await?;
    // Nobody else sets them.
    let _ = builder.all_logs.set(builder.logs);
    // Whoever is here asks it for all.
    let caller = builder.modules.first().map_or("gateway", |module| module.name);
    Ok(Registry {
        keys: Arc::new(AuthKeys(auth(caller))),
        modules: builder.modules,
        subscribers: builder.subscribers,
        revocations: builder.revocations,
        generated_admin_password: builder.generated_admin_password,
    })
}

/// The way to a module, for each of its callers.
type To<T> = Box<dyn Fn(&'static str) -> Arc<T> + Send + Sync>;

struct Builder<'a> {
    config: &'a Config,
    identity: Option<Arc<Identity>>,
    client: &'a Client,
    sidecar: Option<Sidecar>,
    modules: Vec<Module>,
    subscribers: SubscriberMap,
    revocations: Arc<Revocations>,
    /// The log of each module built so far.
    logs: BTreeMap<&'static str, Arc<dyn EventLog>>,
    /// All of them, when all are built.
    all_logs: EventLogs,
    // For auth alone.
    #[cfg_attr(not(feature = "auth"), allow(dead_code))]
    redis: Option<Redis>,
    generated_admin_password: Option<Secret>,
}

impl Builder<'_> {
    async fn auth(&mut self, deps: &ModuleDeps) -> Result<To<dyn Auth>, StartError> {
        #[cfg(feature = "auth")]
        if is_mounted(self.config, auth::NAME) {
            let deps = auth::Deps {
                module: deps.clone(),
                permissions: crate::spec::permissions(),
                by_warehouse: crate::spec::by_warehouse(),
                jwt: self.config.jwt.clone(),
                revocations: self.revocations.clone(),
                logs: self.all_logs.clone(),
                redis: self.redis.clone(),
            };
            let built = auth::build(self.config.module(auth::NAME)?, deps).await?;
            self.generated_admin_password = built.generated_admin_password;
            self.mount(built.module);
            return Ok(Box::new(move |_| built.auth.clone()));
        }
        let _ = deps;
        let remote = self.remote("auth")?;
        Ok(Box::new(move |caller| Arc::new(remote.of(caller))))
    }

    async fn billing(&mut self, deps: &ModuleDeps) -> Result<To<dyn Billing>, StartError> {
        #[cfg(feature = "billing")]
        if is_mounted(self.config, billing::NAME) {
            let deps = billing::Deps { module: deps.clone() };
            let (module, billing) =
                billing::build(self.config.module(billing::NAME)?, deps).await?;
            self.mount(module);
            return Ok(Box::new(move |_| billing.clone()));
        }
        let _ = deps;
        let remote = self.remote("billing")?;
        Ok(Box::new(move |caller| Arc::new(remote.of(caller))))
    }

    async fn inventory(&mut self, deps: &ModuleDeps) -> Result<To<dyn Inventory>, StartError> {
        #[cfg(feature = "inventory")]
        if is_mounted(self.config, inventory::NAME) {
            let deps = inventory::Deps { module: deps.clone() };
            let (module, inventory) =
                inventory::build(self.config.module(inventory::NAME)?, deps).await?;
            self.mount(module);
            return Ok(Box::new(move |_| inventory.clone()));
        }
        let _ = deps;
        let remote = self.remote("inventory")?;
        Ok(Box::new(move |caller| Arc::new(remote.of(caller))))
    }

    async fn sales(
        &mut self,
        deps: &ModuleDeps,
        inventory: &To<dyn Inventory>,
        billing: &To<dyn Billing>,
    ) -> Result<To<dyn Sales>, StartError> {
        #[cfg(feature = "sales")]
        if is_mounted(self.config, sales::NAME) {
            let deps = sales::Deps {
                module: deps.clone(),
                inventory: inventory(sales::NAME),
                billing: billing(sales::NAME),
            };
            let (module, sales) = sales::build(self.config.module(sales::NAME)?, deps).await?;
            self.mount(module);
            return Ok(Box::new(move |_| sales.clone()));
        }
        let _ = (deps, inventory, billing);
        let remote = self.remote("sales")?;
        Ok(Box::new(move |caller| Arc::new(remote.of(caller))))
    }

    async fn purchasing(
        &mut self,
        deps: &ModuleDeps,
        inventory: &To<dyn Inventory>,
        billing: &To<dyn Billing>,
    ) -> Result<(), StartError> {
        #[cfg(feature = "purchasing")]
        if is_mounted(self.config, purchasing::NAME) {
            let deps = purchasing::Deps {
                module: deps.clone(),
                inventory: inventory(purchasing::NAME),
                billing: billing(purchasing::NAME),
            };
            let module = purchasing::build(self.config.module(purchasing::NAME)?, deps).await?;
            self.mount(module);
            return Ok(());
        }
        let _ = (deps, inventory, billing);
        self.remote("purchasing").map(drop)
    }

    async fn orders(
        &mut self,
        deps: &ModuleDeps,
        sales: &To<dyn Sales>,
        inventory: &To<dyn Inventory>,
        billing: &To<dyn Billing>,
    ) -> Result<(), StartError> {
        #[cfg(feature = "orders")]
        if is_mounted(self.config, orders::NAME) {
            let deps = orders::Deps {
                module: deps.clone(),
                sales: sales(orders::NAME),
                inventory: inventory(orders::NAME),
                billing: billing(orders::NAME),
            };
            let module = orders::build(self.config.module(orders::NAME)?, deps).await?;
            self.mount(module);
            return Ok(());
        }
        let _ = (deps, sales, inventory, billing);
        self.remote("orders").map(drop)
    }

    #[cfg_attr(not(any(feature = "auth", feature = "billing")), allow(dead_code))]
    fn mount(&mut self, module: Module) {
        self.subscribers.insert(module.name, module.subscriber.clone());
        self.logs.insert(module.name, Arc::new(module.db.clone()));
        self.modules.push(module);
    }

    /// The way to a module elsewhere. Where no address is given every call to it fails as
    /// if it were down: a process that needs few of the others may leave the rest out.
    fn remote(&mut self, module: &'static str) -> Result<Remote, StartError> {
        debug_assert!(MODULES.contains(&module));
        let config = self.config;
        let url = config.remote.get(module).map_or("", |remote| &remote.internal_url);
        let address = match &self.sidecar {
            Some(Sidecar { url, api_token, .. }) if config.dapr.calls => Address::Dapr {
                sidecar: url.clone(),
                app_id: config.dapr.app_id(module),
                api_token: api_token.clone(),
            },
            _ if url.is_empty() => Address::Unknown,
            _ => Address::Direct(url.to_owned()),
        };
        if self.identity.is_none() && !matches!(address, Address::Unknown) {
            return Err(ConfigError::new(
                "internal.key: must be set when a module is remote (`erp service-keys`)".to_owned(),
            )
            .into());
        }
        let remote = Remote::new(module, address, self.identity.clone(), self.client.clone());
        let subscriber: Arc<dyn Subscriber> = match (&self.sidecar, &self.identity) {
            (Some(sidecar), Some(identity)) if config.dapr.events => Arc::new(Topic {
                subscriber: module,
                sidecar: sidecar.clone(),
                identity: identity.clone(),
            }),
            _ => Arc::new(remote.clone()),
        };
        self.subscribers.insert(module, subscriber);
        // Only auth reads it.
        self.logs.insert(module, Arc::new(remote.of("auth")));
        Ok(remote)
    }
}

/// Whom this process calls as, if it calls anybody.
fn identity(config: &Config) -> Result<Option<Arc<Identity>>, StartError> {
    if config.internal.key.expose().is_empty() {
        return Ok(None);
    }
    let identity = Identity::new(&config.internal.key)
        .map_err(|why| ConfigError::new(format!("internal.key: {why}")))?;
    Ok(Some(Arc::new(identity)))
}

fn sidecar(config: &Config, client: &Client) -> Option<Sidecar> {
    let dapr = &config.dapr;
    (!dapr.url.is_empty()).then(|| Sidecar {
        url: dapr.url.clone(),
        api_token: dapr.api_token.clone(),
        pubsub: dapr.pubsub.clone(),
        client: client.clone(),
    })
}

/// Auth, here or elsewhere, as the checking of tokens needs it.
struct AuthKeys(Arc<dyn Auth>);

#[async_trait]
impl KeySource for AuthKeys {
    async fn verification_keys(&self) -> Result<Vec<PublicKey>> {
        self.0.verification_keys(&Ctx::system("verification_keys")).await
    }

    async fn ended_sessions(&self) -> Result<Vec<Uuid>> {
        let ended = self.0.ended_sessions(&Ctx::system("ended_sessions")).await?;
        Ok(ended.into_iter().map(SessionId::uuid).collect())
    }

    async fn key_token(&self, key_hash: &str) -> Result<String> {
        self.0.key_token(&Ctx::system("key_token"), key_hash).await
    }
}
