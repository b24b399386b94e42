//! Settings every module has, and the type for secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Rounding};

/// A value that prints as `***`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value itself; take care where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// Where the data lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Directory of the SQLite files, one a module.
    pub dir: PathBuf,
    /// Connections for reading, a module. Writing has one: SQLite has one writer.
    pub read_connections: u32,
    /// Longest wait for a connection, after which the caller gets 503.
    pub acquire_timeout_ms: u64,
    /// `full`: a commit survives a power cut. `normal`: it survives only a crash of
    /// the process, and a power cut may take the last commits.
    pub synchronous: Synchronous,
}

/// SQLite's `PRAGMA synchronous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Synchronous {
    Full,
    Normal,
}

/// Where the data lives if not in SQLite files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// By `<module>_db`: `postgres://user:password@host/database`. Each module has a schema
    /// of its name there.
    pub connection_strings: BTreeMap<String, Secret>,
    /// Who makes databases, schemas and roles (`erp migrate --create`); nothing else uses it.
    pub admin: Secret,
    /// Connections a module opens at most.
    pub max_connections: u32,
    /// The same for some modules, by name.
    pub pools: BTreeMap<String, u32>,
    /// The least a connection must have, whatever its string says.
    pub tls: Tls,
    /// A file of certificates (PEM) to trust beside those of the system; empty for none.
    pub tls_root_cert: PathBuf,
}

/// How a connection is secured, from nothing to everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Encrypted if the server can.
    #[default]
    Prefer,
    /// Encrypted, to whomever.
    Require,
    /// Encrypted, to the host named by somebody trusted.
    VerifyFull,
}

impl SqlConfig {
    /// The database of a module, unless it has a file.
    pub fn connection_string(&self, module: &str) -> Option<&Secret> {
        self.connection_strings.get(&format!("{module}_db"))
    }

    /// Connections the module opens at most.
    pub fn pool(&self, module: &str) -> u32 {
        self.pools.get(module).copied().unwrap_or(self.max_connections)
    }
}

/// The company whose books these are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompanyConfig {
    /// The currency of its books; for now also of every document.
    pub currency: Currency,
    /// How a half is rounded, everywhere.
    pub rounding: Rounding,
}

/// How the relay retries.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsConfig {
    /// Failed deliveries after which an event is parked.
    pub max_attempts: i64,
    /// Wait after the first failure; doubled after each further one.
    pub first_retry_ms: u64,
    /// The longest wait between two tries.
    pub max_retry_ms: u64,
    /// Events a relay takes at a time.
    pub batch: u64,
}

/// Access tokens: what they say of themselves, and what they are signed with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// Empty: EdDSA with keys of auth's own. Otherwise HS256 with this, and every process that
    /// checks tokens can make them too.
    pub secret_key: Secret,
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of every token.
    pub audience: String,
}

impl JwtConfig {
    /// The secret all processes share, if they do.
    pub fn shared_key(&self) -> Option<&Secret> {
        Some(&self.secret_key).filter(|key| !key.expose().is_empty())
    }
}

impl Default for JwtConfig {
    fn default() -> Self {
        JwtConfig {
            secret_key: Secret::new(""),
            issuer: crate::token::ISSUER.into(),
            audience: crate::token::AUDIENCE.into(),
        }
    }
}

/// The Redis that replicas share; without a URL there is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://host:6379`, or `rediss://` with TLS; it may contain a password.
    pub url: Secret,
    /// Unless the URL has it.
    pub password: Secret,
    /// Whether it is a cluster, of which the URL names a node.
    pub cluster: bool,
    /// What every key begins with.
    pub key_prefix: String,
    /// Connections this process holds.
    pub connections: usize,
    /// Longest wait for an answer, after which the work goes on without it.
    pub timeout_ms: u64,
}

/// What is kept of answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Whether this process's own memory serves where there is no Redis.
    pub in_process: InProcess,
    /// Answers a process keeps in its own memory.
    pub max_entries: usize,
}

/// Where the memory of one process may stand in for Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InProcess {
    /// For modules whose data are in a file: no other process writes there.
    Auto,
    /// For every module; right only if one process writes.
    On,
    Off,
}

/// How many requests a caller may make; a rate of 0 sets no limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Requests a second without a valid token, for each address.
    pub anonymous_per_s: u32,
    /// As many of them may come at once.
    pub anonymous_burst: u32,
    /// Requests a second of each user.
    pub user_per_s: u32,
    /// As many of them may come at once.
    pub user_burst: u32,
    /// Addresses or networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// The same of gateways of ours, which have counted what they send on.
    pub gateways: Vec<String>,
}
