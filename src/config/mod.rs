//! The settings; an error names the key and where its value came from.

mod check;
mod layers;

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use figment::Figment;
use kernel::config::{
    CacheConfig, CompanyConfig, DataConfig, EventsConfig, JwtConfig, RateLimitConfig, RedisConfig,
    Secret, SqlConfig,
};
use serde::{Deserialize, Serialize};

use layers::origin;
pub use layers::{Overrides, defaults, figment};

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
    pub client_body_timeout_s: u64,
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
    pub tls_root_cert: PathBuf,
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
        // It says the section last, where it does.
        let whole = |mut error: figment::Error| {
            if error.path.last().is_some_and(|last| last == name) {
                error.path.rotate_right(1);
            }
            error
        };
        let settings = self.layers.extract_inner(name);
        settings.map_err(|errors| explain_all(errors.into_iter().map(whole)))
    }

    /// That a setting cannot be used, and where it comes from.
    pub fn refusal(&self, key: &str, why: &str) -> ConfigError {
        ConfigError(format!("{key}: {why}{}", self.source(key)))
    }

    /// Where a setting comes from, in brackets.
    fn source(&self, key: &str) -> String {
        self.layers.find_metadata(key).map(origin).unwrap_or_default()
    }
}

fn explain(error: figment::Error) -> ConfigError {
    explain_all(error.into_iter())
}

fn explain_all(errors: impl Iterator<Item = figment::Error>) -> ConfigError {
    let lines: Vec<_> = errors
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
