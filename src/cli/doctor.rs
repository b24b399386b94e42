//! `erp doctor`: what is configured, reachable, missing.

use std::net::TcpListener;

use kernel::db::{self, Migrations};
use kernel::redis::Redis;

use crate::cli::{health, migrate};
use crate::config::{Config, check_data_dir};
use crate::gateway::MODULES;
use crate::registry;

/// Prints a line a finding; fails if something is missing that the server needs.
pub async fn doctor(config: Config) -> Result<(), String> {
    let mut missing = 0;
    let mut say = |ok: bool, what: &str, text: String| {
        missing += usize::from(!ok);
        print_line!("{} {what:<11} {text}", if ok { "ok     " } else { "MISSING" });
    };
    match registry::check_module_settings(&config) {
        Ok(()) => say(true, "settings", "valid".into()),
        Err(error) => say(false, "settings", error.to_string()),
    }
    match check_data_dir(&config.data.dir) {
        Ok(()) => say(true, "data", format!("{} can be written", config.data.dir.display())),
        Err(error) => say(false, "data", error.to_string()),
    }
    match TcpListener::bind(&config.server.bind) {
        Ok(_) => say(true, "server", format!("{} is free", config.server.bind)),
        Err(error) if health::ask(&config.server.bind, "live").await.is_ok() => {
            drop(error);
            say(true, "server", format!("erp is running on {}", config.server.bind));
        }
        Err(error) => say(false, "server", format!("{}: {error}", config.server.bind)),
    }
    match Redis::inspect(&config.redis).await {
        Ok(None) => {}
        Ok(Some((address, None))) => say(true, "redis", format!("{address} answers")),
        Ok(Some((address, Some(why)))) => say(false, "redis", format!("{address}: {why}")),
        Err(error) => say(false, "redis", error),
    }
    let mounted = registry::migrations(&config);
    for module in MODULES {
        if let Some((module, scripts)) = mounted.iter().find(|(name, _)| *name == module) {
            let (ok, text) = match database(&config, module, scripts).await {
                Ok(found) => found,
                Err(error) => (false, migrate::explain(error)),
            };
            say(ok, module, format!("mounted here, {text}"));
            continue;
        }
        match config.remote.get(module) {
            None => say(false, module, format!("not mounted, and no remote.{module} is set")),
            Some(remote) => {
                for url in &remote.url.0 {
                    let answer = reqwest::get(format!("{url}/health/ready")).await;
                    let ok = answer.is_ok_and(|answer| answer.status().is_success());
                    say(ok, module, if ok { url.clone() } else { format!("{url} is not ready") });
                }
            }
        }
    }
    match missing {
        0 => Ok(()),
        n => Err(format!("{n} thing(s) missing")),
    }
}

/// What there is to say of a module's data, and whether the server can work with it. What is
/// pending it does itself at its start, if it may.
async fn database(
    config: &Config,
    module: &'static str,
    scripts: Migrations,
) -> kernel::Result<(bool, String)> {
    let reach = db::inspect(module, &config.sql).await?;
    let found = db::pending(module, scripts, &config.data, &config.sql).await?;
    let mut said = Vec::new();
    let mut ok = found.changed.is_empty();
    match &reach {
        None => said.push(format!("{module}.db")),
        Some(reach) => {
            said.push(format!("{module}_db ({})", reach.place));
            said.push(format!("PostgreSQL {}", reach.server_version));
            said.push(reach.tls.clone().unwrap_or_else(|| "no TLS".to_owned()));
            match reach.owns_schema {
                None => said.push("no schema yet".to_owned()),
                Some(true) => said.push("owns its schema".to_owned()),
                Some(false) => {
                    ok = false;
                    said.push("its schema belongs to another role".to_owned());
                }
            }
            match reach.others.as_slice() {
                [] => said.push("reaches no other".to_owned()),
                others => said.push(format!("also reaches {}", others.join(" "))),
            }
        }
    }
    said.push(migrate::describe(&found));
    Ok((ok, said.join(", ")))
}
