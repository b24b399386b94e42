//! The settings, in layers; an error names the key and where its value came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use kernel::config::{
    CacheConfig, CompanyConfig, DataConfig, EventsConfig, JwtConfig, RateLimitConfig, RedisConfig,
    Secret, SqlConfig,
};
use kernel::db::check_connection_string;
use kernel::service::{Callers, Identity};
use serde::{Deserialize, Serialize};

use crate::gateway::MODULES;

const DEFAULTS: &str = include_str!("config.default.toml");

/// All settings. Each key is described in `config.default.toml`. The modules' own are
/// read from the layers by the registry: a module that is not compiled in has no type
/// here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    pub modules: Vec<String>,
    pub server: ServerConfig,
    pub data: DataConfig,
    pub sql: SqlConfig,
    pub redis: RedisConfig,
    pub cache: CacheConfig,
    pub rate_limit: RateLimitConfig,
    pub company: CompanyConfig,
    pub jwt: JwtConfig,
    pub events: EventsConfig,
    pub telemetry: TelemetryConfig,
    pub internal: InternalConfig,
    pub dapr: DaprConfig,
    pub remote: BTreeMap<String, RemoteConfig>,
    pub gateway: GatewayConfig,
    #[serde(skip)]
    layers: Figment,
    /// What to read again should the settings change, where they can.
    #[serde(skip)]
    read_from: Option<Overrides>,
}

/// The sections that are not a module's.
const SECTIONS: [&str; 15] = [
    "modules",
    "server",
    "data",
    "sql",
    "redis",
    "cache",
    "rate_limit",
    "company",
    "jwt",
    "events",
    "telemetry",
    "internal",
    "dapr",
    "remote",
    "gateway",
];

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    pub bind: String,
    pub workers: usize,
    pub shutdown_timeout_s: u64,
    pub client_request_timeout_s: u64,
    pub max_connections: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    pub format: LogFormat,
    pub level: String,
    pub metrics: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Pretty,
    Json,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InternalConfig {
    pub bind: String,
    pub key: Secret,
    pub callers: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaprConfig {
    pub url: String,
    pub calls: bool,
    pub events: bool,
    pub bind: String,
    pub pubsub: String,
    pub api_token: Secret,
    pub app_token: Secret,
    pub app_ids: BTreeMap<String, String>,
}

impl DaprConfig {
    /// The name under which sidecars know a module.
    pub fn app_id(&self, module: &str) -> String {
        self.app_ids.get(module).cloned().unwrap_or_else(|| module.to_owned())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteConfig {
    /// Where its API is; several where it has replicas nobody balances.
    pub url: Urls,
    #[serde(default = "yes")]
    pub http2: bool,
    pub internal_url: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    pub idle_timeout_s: u64,
    pub max_waiting: usize,
    pub cors: CorsConfig,
    pub routes: BTreeMap<String, RouteConfig>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsConfig {
    pub origins: Vec<String>,
    pub max_age_s: usize,
}

/// What a row of the routing table has that is not as usual.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    pub prefix: Option<String>,
    pub url: Option<Urls>,
    pub http2: Option<bool>,
    pub timeout_s: Option<u64>,
    pub max_body_bytes: Option<usize>,
    pub rate_limit: Option<bool>,
    pub token: Option<bool>,
}

fn yes() -> bool {
    true
}

/// Addresses of one thing: a list, or text with commas in between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct Urls(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Urls {
    fn from(given: OneOrMany) -> Self {
        let texts = match given {
            OneOrMany::One(text) => text.split(',').map(ToOwned::to_owned).collect(),
            OneOrMany::Many(texts) => texts,
        };
        let texts = texts.iter().map(|text| text.trim().trim_end_matches('/'));
        Urls(texts.filter(|text| !text.is_empty()).map(ToOwned::to_owned).collect())
    }
}

/// As for a person: the addresses with commas in between.
impl std::fmt::Display for Urls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub fn new(message: String) -> Self {
        ConfigError(message)
    }
}

/// Flags of the command line, the last layer.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub file: Option<PathBuf>,
    pub bind: Option<String>,
    pub data_dir: Option<PathBuf>,
}

impl Overrides {
    /// The file of settings, whether or not it is there.
    pub fn settings_file(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| PathBuf::from("config.toml"))
    }
}

/// The layers of this process, from the defaults to the flags.
pub fn figment(overrides: &Overrides) -> Result<Figment, ConfigError> {
    let file = overrides.settings_file();
    if overrides.file.is_some() && !file.exists() {
        return Err(ConfigError(format!("{}: there is no such file", file.display())));
    }
    let toml = Toml::file(&file);
    if let Err(error) = toml.data() {
        // The parser draws a picture over several lines; what is wrong stands in the last.
        let text = error.kind.to_string();
        let (place, what) = (text.lines().next(), text.lines().last());
        return Err(ConfigError(format!(
            "{}: {}: {}",
            file.display(),
            place.unwrap_or_default(),
            what.unwrap_or_default()
        )));
    }
    let mut figment = defaults().merge(toml).merge(environment(std::env::vars()));
    if let Some(bind) = &overrides.bind {
        figment = figment.merge(Serialized::default("server.bind", bind));
    }
    if let Some(dir) = &overrides.data_dir {
        figment = figment.merge(Serialized::default("data.dir", dir));
    }
    Ok(figment)
}

/// The defaults alone.
pub fn defaults() -> Figment {
    Figment::from(Toml::string(DEFAULTS))
}

/// `ERP__SERVER__BIND` and the like, and the connection strings as the platform names them,
/// whatever the case. Where both name one, ours holds. Where the default is text the value
/// stays text, even if it looks like a number: passwords do.
fn environment(vars: impl Iterator<Item = (String, String)>) -> Figment {
    let defaults = defaults();
    let mut settings: Vec<_> = vars
        .filter_map(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            let (is_ours, key) = match lower.strip_prefix("erp__") {
                Some(key) => (true, key.replace("__", ".")),
                None => (false, platform_key(&lower)?),
            };
            Some((is_ours, name, key, value))
        })
        .collect();
    settings.sort();
    settings.into_iter().fold(Figment::new(), |layers, (_, name, key, text)| {
        let is_text = match defaults.find_value(&key) {
            Ok(default) => default.as_str().is_some(),
            Err(_) => {
                let texts = ["remote.", "internal.callers.", "dapr.app_ids.", CONNECTION_STRINGS];
                texts.iter().any(|section| key.starts_with(section)) && !key.ends_with(".http2")
            }
        };
        // Parsing a figment value never fails: what is nothing else is text.
        let value = if is_text { text.into() } else { text.parse().unwrap_or_else(|e| match e {}) };
        layers.merge(Variable { name, key, value })
    })
}

const CONNECTION_STRINGS: &str = "sql.connection_strings.";

/// `Sql__ConnectionStrings__OrdersDb`, which is `Sql:ConnectionStrings:OrdersDb` of the
/// platform's configuration as an environment variable, and `Redis__Connection` and
/// `Redis__Password`, `Jwt__SecretKey`, `Jwt__Issuer` and `Jwt__Audience` likewise; and the two
/// tokens that Dapr puts there itself.
fn platform_key(lower: &str) -> Option<String> {
    match lower {
        "redis__connection" => return Some("redis.url".to_owned()),
        "jwt__secretkey" => return Some("jwt.secret_key".to_owned()),
        "jwt__issuer" => return Some("jwt.issuer".to_owned()),
        "jwt__audience" => return Some("jwt.audience".to_owned()),
        "redis__password" => return Some("redis.password".to_owned()),
        "dapr_api_token" => return Some("dapr.api_token".to_owned()),
        "app_api_token" => return Some("dapr.app_token".to_owned()),
        _ => {}
    }
    let name = lower.strip_prefix("sql__connectionstrings__")?;
    let name = name.strip_suffix("db").map_or(name.to_owned(), |module| format!("{module}_db"));
    Some(format!("{CONNECTION_STRINGS}{name}"))
}

struct Variable {
    name: String,
    key: String,
    value: Value,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("the environment variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Serialized::default(&self.key, &self.value).data()
    }
}

impl Config {
    /// Reads and checks the settings.
    pub fn load(layers: &Figment) -> Result<Config, ConfigError> {
        let mut config: Config = layers.extract().map_err(explain)?;
        config.layers = layers.clone();
        config.check()?;
        Ok(config)
    }

    /// The settings of a process started with these flags; they can be read again.
    pub fn read(overrides: &Overrides) -> Result<Config, ConfigError> {
        let mut config = Config::load(&figment(overrides)?)?;
        config.read_from = Some(overrides.clone());
        Ok(config)
    }

    /// What to read them from again.
    pub fn read_from(&self) -> Option<&Overrides> {
        self.read_from.as_ref()
    }

    /// The settings of one module.
    pub fn module<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        self.layers.extract_inner(name).map_err(explain)
    }

    /// Where a setting comes from, in brackets.
    fn source(&self, key: &str) -> String {
        self.layers.find_metadata(key).map(origin).unwrap_or_default()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, why: &str| Err(ConfigError(format!("{key}: {why}")));
        if self.jwt.shared_key().is_some_and(|key| key.expose().len() < 32) {
            // RFC 7518, section 3.2.
            return refuse("jwt.secret_key", "must have at least 32 characters");
        }
        if self.jwt.issuer.is_empty() || self.jwt.audience.is_empty() {
            return refuse("jwt.issuer, jwt.audience", "must not be empty");
        }
        if self.server.bind.parse::<std::net::SocketAddr>().is_err() {
            return refuse("server.bind", "must be an address and a port, as 127.0.0.1:8080");
        }
        let is_address = |bind: &str| bind.parse::<std::net::SocketAddr>().is_ok();
        if !self.internal.bind.is_empty() && !is_address(&self.internal.bind) {
            return refuse("internal.bind", "must be an address and a port, or empty");
        }
        let key = &self.internal.key;
        if !key.expose().is_empty()
            && let Err(why) = Identity::new(key)
        {
            return refuse("internal.key", &why);
        }
        if let Err((name, why)) = Callers::new(&self.internal.callers) {
            return refuse(&format!("internal.callers.{name}"), why);
        }
        self.check_dapr()?;
        if self.data.read_connections == 0 {
            return refuse("data.read_connections", "must be 1 or more");
        }
        if self.sql.max_connections == 0 {
            return refuse("sql.max_connections", "must be 1 or more");
        }
        for (module, connections) in &self.sql.pools {
            let key = format!("sql.pools.{module}");
            if !MODULES.contains(&module.as_str()) {
                return refuse(&key, &format!("must be a module ({})", MODULES.join(", ")));
            }
            if *connections == 0 {
                return refuse(&key, "must be 1 or more");
            }
        }
        for (name, url) in &self.sql.connection_strings {
            let key = format!("{CONNECTION_STRINGS}{name}");
            let refuse = |why: &str| refuse(&key, &format!("{why}{}", self.source(&key)));
            if !name.strip_suffix("_db").is_some_and(|module| MODULES.contains(&module)) {
                return refuse(&format!("must be a module ({}) and _db", MODULES.join(", ")));
            }
            if let Err(why) = check_connection_string(url) {
                return refuse(&why);
            }
        }
        if !self.sql.admin.expose().is_empty()
            && let Err(why) = check_connection_string(&self.sql.admin)
        {
            return refuse("sql.admin", &format!("{why}{}", self.source("sql.admin")));
        }
        let root = &self.sql.tls_root_cert;
        if !root.as_os_str().is_empty() && !root.is_file() {
            return refuse("sql.tls_root_cert", &format!("there is no file {}", root.display()));
        }
        if !self.redis.url.expose().is_empty()
            && let Err(why) = kernel::redis::connection_info(&self.redis)
        {
            return refuse("redis.url", &why);
        }
        if !(1..=64).contains(&self.redis.connections) {
            return refuse("redis.connections", "must be 1 to 64");
        }
        if !(1..=5000).contains(&self.redis.timeout_ms) {
            return refuse("redis.timeout_ms", "must be 1 to 5000");
        }
        if self.cache.max_entries == 0 {
            return refuse("cache.max_entries", "must be 1 or more; cache.in_process turns it off");
        }
        let proxies = [
            ("rate_limit.trusted_proxies", &self.rate_limit.trusted_proxies),
            ("rate_limit.gateways", &self.rate_limit.gateways),
        ];
        for (key, networks) in proxies {
            for network in networks {
                if let Err(why) = kernel::rate::check_proxy(network) {
                    return refuse(key, &why);
                }
            }
        }
        if let Err((key, why)) = crate::gateway::check(self) {
            return refuse(&key, &format!("{why}{}", self.source(&key)));
        }
        if self.events.batch == 0 || self.events.batch > 1000 {
            return refuse("events.batch", "must be 1 to 1000");
        }
        if self.telemetry.level.parse::<tracing_subscriber::EnvFilter>().is_err() {
            return refuse("telemetry.level", "must be a filter, such as info");
        }
        let keys = self.layers.extract::<BTreeMap<String, Value>>().map_err(explain)?;
        let sections = keys.keys().filter(|key| !SECTIONS.contains(&key.as_str()));
        for name in sections.chain(&self.modules).map(String::as_str) {
            if name != "*" && !MODULES.contains(&name) {
                return refuse(
                    name,
                    &format!("no such setting or module; modules are {}", MODULES.join(", ")),
                );
            }
        }
        Ok(())
    }
}

impl Config {
    fn check_dapr(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, why: &str| Err(ConfigError(format!("dapr.{key}: {why}")));
        let dapr = &self.dapr;
        let bind = dapr.bind.parse::<std::net::SocketAddr>();
        match bind {
            _ if dapr.bind.is_empty() => {}
            // Whoever reaches it needs no more than a name to be believed to be the sidecar.
            Ok(bind) if bind.ip().is_loopback() || !dapr.app_token.expose().is_empty() => {}
            Ok(_) => {
                return refuse("bind", "must be a loopback address, unless dapr.app_token is set");
            }
            Err(_) => return refuse("bind", "must be an address and a port, or empty"),
        }
        if !dapr.url.is_empty() && reqwest::Url::parse(&dapr.url).is_err() {
            return refuse("url", "must be an address such as http://127.0.0.1:3500, or empty");
        }
        match dapr.app_ids.keys().find(|module| !MODULES.contains(&module.as_str())) {
            Some(module) => refuse(&format!("app_ids.{module}"), "is no module"),
            None => Ok(()),
        }
    }
}

fn explain(error: figment::Error) -> ConfigError {
    let lines: Vec<_> = error
        .into_iter()
        .map(|error| {
            let source = error.metadata.as_ref().map(origin).unwrap_or_default();
            match error.path.join(".").as_str() {
                "" => format!("{}{source}", error.kind),
                path => format!("{path}: {}{source}", error.kind),
            }
        })
        .collect();
    ConfigError(lines.join("; "))
}

fn origin(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(source) => format!(" (from {source})"),
        None => format!(" (from {})", metadata.name),
    }
}

/// Whether the directory can be written, with the reason if not.
pub fn check_data_dir(dir: &Path) -> Result<(), ConfigError> {
    let refuse = |error: std::io::Error| {
        ConfigError(format!("data.dir: {} cannot be written: {error}", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(refuse)?;
    // Others may look at the same time.
    let probe = dir.join(format!(".writable-{}", std::process::id()));
    std::fs::write(&probe, b"").map_err(refuse)?;
    std::fs::remove_file(&probe).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_has_two_names_in_the_environment_and_ours_holds() {
        let orders = |vars: &[(&str, &str)]| {
            let vars = vars.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned()));
            let layers = defaults().merge(environment(vars));
            layers.extract_inner::<String>("sql.connection_strings.orders_db").ok()
        };
        let (ours, platforms) =
            ("ERP__SQL__CONNECTION_STRINGS__ORDERS_DB", "Sql__ConnectionStrings__OrdersDb");
        assert_eq!(orders(&[]), None);
        assert_eq!(orders(&[(ours, "a")]).as_deref(), Some("a"));
        assert_eq!(orders(&[(platforms, "b")]).as_deref(), Some("b"));
        assert_eq!(orders(&[(&platforms.to_uppercase(), "b")]).as_deref(), Some("b"));
        assert_eq!(orders(&[(&ours.to_lowercase(), "a")]).as_deref(), Some("a"));
        assert_eq!(orders(&[(ours, "a"), (platforms, "b")]).as_deref(), Some("a"));
        assert_eq!(orders(&[(platforms, "b"), (ours, "a")]).as_deref(), Some("a"));
        // Digits stay text.
        assert_eq!(orders(&[(platforms, "12")]).as_deref(), Some("12"));
    }
}
