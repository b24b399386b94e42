//! What settings must be to be usable, beyond their types.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use figment::value::Value;
use kernel::config::Secret;
use kernel::db::check_connection_string;
use kernel::service::{Callers, Identity};

use crate::config::layers::CONNECTION_STRINGS;
use crate::config::{Config, ConfigError, SECTIONS, explain};
use crate::gateway::MODULES;

type Result = std::result::Result<(), ConfigError>;

impl Config {
    pub(super) fn check(&self) -> Result {
        self.check_names()?;
        self.check_tokens()?;
        self.check_listeners()?;
        self.check_dapr()?;
        self.check_databases()?;
        self.check_redis()?;
        self.check_limits()?;
        if let Err((key, why)) = crate::gateway::check(self) {
            return self.refuse(&key, &why);
        }
        if self.telemetry.level.parse::<tracing_subscriber::EnvFilter>().is_err() {
            return self.refuse("telemetry.level", "must be a filter, such as info");
        }
        Ok(())
    }

    fn check_names(&self) -> Result {
        let keys = self.layers.extract::<BTreeMap<String, Value>>().map_err(explain)?;
        let sections = keys.keys().filter(|key| !SECTIONS.contains(&key.as_str()));
        let mut names = sections.chain(&self.modules).map(String::as_str);
        match names.find(|name| *name != "*" && !MODULES.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let modules = MODULES.join(", ");
                self.refuse(name, &format!("no such setting or module; modules are {modules}"))
            }
        }
    }

    fn check_tokens(&self) -> Result {
        if self.jwt.shared_key().is_some_and(|key| key.expose().len() < 32) {
            // RFC 7518, section 3.2.
            return self.refuse("jwt.secret_key", "must have at least 32 characters");
        }
        if self.jwt.issuer.is_empty() || self.jwt.audience.is_empty() {
            return self.refuse("jwt.issuer, jwt.audience", "must not be empty");
        }
        Ok(())
    }

    fn check_listeners(&self) -> Result {
        let is_address = |bind: &str| bind.parse::<SocketAddr>().is_ok();
        if !is_address(&self.server.bind) {
            return self.refuse("server.bind", "must be an address and a port, as 127.0.0.1:8080");
        }
        if !self.internal.bind.is_empty() && !is_address(&self.internal.bind) {
            return self.refuse("internal.bind", "must be an address and a port, or empty");
        }
        let key = &self.internal.key;
        if !key.expose().is_empty()
            && let Err(why) = Identity::new(key)
        {
            return self.refuse("internal.key", &why);
        }
        match Callers::new(&self.internal.callers) {
            Ok(_) => Ok(()),
            Err((name, why)) => self.refuse(&format!("internal.callers.{name}"), why),
        }
    }

    fn check_dapr(&self) -> Result {
        let dapr = &self.dapr;
        match dapr.bind.parse::<SocketAddr>() {
            _ if dapr.bind.is_empty() => {}
            // Whoever reaches it needs no more than a name to be believed to be the sidecar.
            Ok(bind) if bind.ip().is_loopback() || !dapr.app_token.expose().is_empty() => {}
            Ok(_) => {
                let why = "must be a loopback address, unless dapr.app_token is set";
                return self.refuse("dapr.bind", why);
            }
            Err(_) => return self.refuse("dapr.bind", "must be an address and a port, or empty"),
        }
        if !dapr.url.is_empty() && reqwest::Url::parse(&dapr.url).is_err() {
            return self
                .refuse("dapr.url", "must be an address such as http://127.0.0.1:3500, or empty");
        }
        match dapr.app_ids.keys().find(|module| !MODULES.contains(&module.as_str())) {
            Some(module) => self.refuse(&format!("dapr.app_ids.{module}"), "is no module"),
            None => Ok(()),
        }
    }

    fn check_databases(&self) -> Result {
        if self.data.read_connections == 0 {
            return self.refuse("data.read_connections", "must be 1 or more");
        }
        if self.sql.max_connections == 0 {
            return self.refuse("sql.max_connections", "must be 1 or more");
        }
        for (module, connections) in &self.sql.pools {
            let key = format!("sql.pools.{module}");
            if !MODULES.contains(&module.as_str()) {
                return self.refuse(&key, &format!("must be a module ({})", MODULES.join(", ")));
            }
            if *connections == 0 {
                return self.refuse(&key, "must be 1 or more");
            }
        }
        for (name, url) in &self.sql.connection_strings {
            let key = format!("{CONNECTION_STRINGS}{name}");
            if !name.strip_suffix("_db").is_some_and(|module| MODULES.contains(&module)) {
                let why = format!("must be a module ({}) and _db", MODULES.join(", "));
                return self.refuse(&key, &why);
            }
            self.check_url(&key, url)?;
        }
        if !self.sql.admin.expose().is_empty() {
            self.check_url("sql.admin", &self.sql.admin)?;
        }
        for (key, file) in [
            ("sql.tls_root_cert", &self.sql.tls_root_cert),
            ("gateway.tls_root_cert", &self.gateway.tls_root_cert),
        ] {
            if !file.as_os_str().is_empty() && !file.is_file() {
                return self.refuse(key, &format!("there is no file {}", file.display()));
            }
        }
        Ok(())
    }

    fn check_url(&self, key: &str, url: &Secret) -> Result {
        match check_connection_string(url) {
            Ok(()) => Ok(()),
            Err(why) => self.refuse(key, &why),
        }
    }

    fn check_redis(&self) -> Result {
        if !self.redis.url.expose().is_empty()
            && let Err(why) = kernel::redis::connection_info(&self.redis)
        {
            return self.refuse("redis.url", &why);
        }
        if !(1..=64).contains(&self.redis.connections) {
            return self.refuse("redis.connections", "must be 1 to 64");
        }
        if !(1..=5000).contains(&self.redis.timeout_ms) {
            return self.refuse("redis.timeout_ms", "must be 1 to 5000");
        }
        Ok(())
    }

    fn check_limits(&self) -> Result {
        if !(1..=3600).contains(&self.server.client_body_timeout_s) {
            return self.refuse("server.client_body_timeout_s", "must be 1 to 3600");
        }
        if self.cache.max_entries == 0 {
            return self
                .refuse("cache.max_entries", "must be 1 or more; cache.in_process turns it off");
        }
        let proxies = [
            ("rate_limit.trusted_proxies", &self.rate_limit.trusted_proxies),
            ("rate_limit.gateways", &self.rate_limit.gateways),
        ];
        for (key, networks) in proxies {
            if let Some(Err(why)) = networks
                .iter()
                .map(|network| kernel::rate::check_proxy(network))
                .find(|it| it.is_err())
            {
                return self.refuse(key, &why);
            }
        }
        if self.events.batch == 0 || self.events.batch > 1000 {
            return self.refuse("events.batch", "must be 1 to 1000");
        }
        Ok(())
    }

    fn refuse(&self, key: &str, why: &str) -> Result {
        Err(self.refusal(key, why))
    }
}
