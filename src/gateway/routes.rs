//! The rows of the routing table, as the settings say.

use std::str::FromStr;

use hyper::http::Uri;
use serde::Serialize;

use crate::config::{Config, RouteConfig, Urls};
use crate::gateway::MODULES;
use crate::registry::is_mounted;

/// One row of the routing table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// What the path begins with, up to a slash or its end.
    pub prefix: String,
    pub module: String,
    pub target: Target,
    /// Where requests go, in turn; none where the module is here or nobody knows.
    pub upstreams: Vec<String>,
    /// Whether those speak HTTP/2 in the clear; HTTP/1.1 otherwise.
    pub http2: bool,
    /// Longest wait for an answer to begin.
    pub timeout_s: u64,
    /// Largest request body.
    pub max_body_bytes: usize,
    /// Whether requests are counted against their caller's limit.
    pub rate_limit: bool,
    pub token: Token,
}

/// Where a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Mounted in this process.
    Local,
    /// In another.
    Remote,
    /// Nobody knows: its routes answer 503.
    None,
}

/// Who needs an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Token {
    /// As each operation says in the OpenAPI document.
    ByOperation,
    Required,
    None,
}

/// The table of a process: a row a module, and those the settings add.
pub fn routes(config: &Config) -> Vec<Route> {
    let modules = MODULES.into_iter().map(|module| of_module(config, module));
    let others = config.gateway.routes.iter().filter(|(name, _)| !is_module(name));
    modules.chain(others.map(|(name, row)| of_other(name, row))).collect()
}

fn is_module(name: &str) -> bool {
    MODULES.contains(&name)
}

fn of_module(config: &Config, module: &str) -> Route {
    let is_local = is_mounted(config, module);
    let remote = config.remote.get(module).filter(|_| !is_local);
    let upstreams = remote.map(|remote| remote.url.0.clone()).unwrap_or_default();
    let target = match upstreams.as_slice() {
        _ if is_local => Target::Local,
        [] => Target::None,
        _ => Target::Remote,
    };
    // What is mounted here has the limits it was built with.
    let row = config.gateway.routes.get(module).filter(|_| !is_local);
    let row = row.cloned().unwrap_or_default();
    Route {
        prefix: format!("/api/v1/{module}"),
        target,
        upstreams,
        http2: remote.is_some_and(|remote| remote.http2),
        token: Token::ByOperation,
        ..usual(module, &row)
    }
}

fn of_other(name: &str, row: &RouteConfig) -> Route {
    let upstreams = row.url.clone().unwrap_or_default().0;
    Route {
        prefix: row.prefix.clone().unwrap_or_default(),
        target: Target::Remote,
        upstreams,
        http2: row.http2.unwrap_or(false),
        token: if row.token == Some(false) { Token::None } else { Token::Required },
        ..usual(name, row)
    }
}

fn usual(name: &str, row: &RouteConfig) -> Route {
    Route {
        prefix: String::new(),
        module: name.to_owned(),
        target: Target::None,
        upstreams: Vec::new(),
        http2: false,
        timeout_s: row.timeout_s.unwrap_or(kernel::ctx::REQUEST_DEADLINE.as_secs()),
        max_body_bytes: row.max_body_bytes.unwrap_or(kernel::http::MAX_BODY_BYTES),
        rate_limit: row.rate_limit.unwrap_or(true),
        token: Token::None,
    }
}

/// Whether the settings make a table: the key at fault and why, if not.
pub fn check(config: &Config) -> Result<(), (String, String)> {
    let refuse = |key: String, why: &str| Err((key, why.to_owned()));
    for (name, remote) in &config.remote {
        let key = format!("remote.{name}");
        if !is_module(name) {
            return refuse(key, &format!("must be a module ({})", MODULES.join(", ")));
        }
        check_urls(&format!("{key}.url"), &remote.url)?;
    }
    if config.gateway.idle_timeout_s == 0 {
        return refuse("gateway.idle_timeout_s".into(), "must be 1 or more");
    }
    if config.gateway.max_waiting == 0 {
        return refuse("gateway.max_waiting".into(), "must be 1 or more");
    }
    for origin in &config.gateway.cors.origins {
        let is_origin = Uri::from_str(origin)
            .is_ok_and(|uri| uri.scheme().is_some() && uri.path() == "/" && !origin.ends_with('/'));
        if origin != "*" && !is_origin {
            let why = format!("{origin} is no origin, such as https://shop.example");
            return refuse("gateway.cors.origins".into(), &why);
        }
    }
    for (name, row) in &config.gateway.routes {
        check_row(name, row)?;
    }
    let mut prefixes: Vec<String> = routes(config).into_iter().map(|row| row.prefix).collect();
    prefixes.sort();
    if let Some(twice) = prefixes.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse("gateway.routes".into(), &format!("two rows have the prefix {}", twice[0]));
    }
    Ok(())
}

fn check_row(name: &str, row: &RouteConfig) -> Result<(), (String, String)> {
    let key = format!("gateway.routes.{name}");
    let refuse = |field: &str, why: &str| Err((format!("{key}.{field}"), why.to_owned()));
    if row.timeout_s == Some(0) {
        return refuse("timeout_s", "must be 1 or more");
    }
    if is_module(name) {
        return match row {
            RouteConfig { prefix: Some(_), .. } => refuse("prefix", "is the module's own"),
            RouteConfig { url: Some(_), .. } => refuse("url", &format!("is remote.{name}.url")),
            RouteConfig { http2: Some(_), .. } => {
                refuse("http2", &format!("is remote.{name}.http2"))
            }
            RouteConfig { token: Some(_), .. } => refuse("token", "is for each operation to say"),
            _ => Ok(()),
        };
    }
    let prefix = row.prefix.as_deref().unwrap_or_default();
    let is_path = |prefix: &str| Uri::from_str(prefix).is_ok_and(|uri| uri.path() == prefix);
    if prefix.len() < 2 || !prefix.starts_with('/') || prefix.ends_with('/') || !is_path(prefix) {
        return refuse("prefix", "must be a path, such as /shop");
    }
    // These are answered here, whatever the table says.
    let own = [
        "/.well-known",
        "/docs",
        "/health",
        "/metrics",
        "/openapi",
        "/openapi.json",
        "/internal",
        "/dapr",
    ];
    if own.iter().any(|own| begins_with(prefix, own)) {
        return refuse("prefix", "is taken");
    }
    check_urls(&format!("{key}.url"), &row.url.clone().unwrap_or_default())?;
    if row.url.as_ref().is_none_or(|urls| urls.0.is_empty()) {
        return refuse("url", "must be set");
    }
    Ok(())
}

fn check_urls(key: &str, urls: &Urls) -> Result<(), (String, String)> {
    for url in &urls.0 {
        let is_address = Uri::from_str(url).is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
        });
        if !is_address {
            let why = format!("{url} must be as http://host:8080 or https://host");
            return Err((key.to_owned(), why));
        }
    }
    Ok(())
}

/// Whether `path` is `prefix` or below it.
pub fn begins_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
