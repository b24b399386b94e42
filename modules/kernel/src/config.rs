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
