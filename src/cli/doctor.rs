//! `erp doctor`: what is configured, reachable, missing.

use std::net::TcpListener;

use crate::config::{Config, check_data_dir};
use crate::gateway::MODULES;
use crate::registry;

/// Prints a line a finding; fails if something is missing that the server needs.
pub async fn doctor(config: Config) -> Result<(), String> {
    let mut missing = 0;
    let mut say = |ok: bool, what: &str, text: String| {
        missing += usize::from(!ok);
        println!("{} {what:<11} {text}", if ok { "ok     " } else { "MISSING" });
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
        Err(error) if running(&config.server.bind).await => {
            drop(error);
            say(true, "server", format!("erp is running on {}", config.server.bind));
        }
        Err(error) => say(false, "server", format!("{}: {error}", config.server.bind)),
    }
    for module in MODULES {
        if registry::is_mounted(&config, module) {
            say(true, module, "mounted here".into());
            continue;
        }
        match config.remote.get(module) {
            None => say(false, module, format!("not mounted, and no remote.{module} is set")),
            Some(remote) => {
                let url = format!("{}/health/ready", remote.url.trim_end_matches('/'));
                let answer = reqwest::Client::new().get(&url).send().await;
                let ok = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
                say(ok, module, if ok { remote.url.clone() } else { format!("{url} fails") });
            }
        }
    }
    match missing {
        0 => Ok(()),
        n => Err(format!("{n} thing(s) missing")),
    }
}

async fn running(bind: &str) -> bool {
    let url = format!("http://{bind}/health/live");
    reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success())
}
