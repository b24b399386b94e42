//! The layers settings come in: the defaults, a file, the environment, and flags.

use std::path::PathBuf;

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use crate::config::ConfigError;

const DEFAULTS: &str = include_str!("../config.default.toml");

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

pub(super) const CONNECTION_STRINGS: &str = "sql.connection_strings.";

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

/// Where a value comes from, in brackets.
pub(super) fn origin(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(source) => format!(" (from {source})"),
        // As figment calls what has no file.
        None if metadata.name == "TOML source string" => " (the default)".to_owned(),
        None => format!(" (from {})", metadata.name),
    }
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
