//! Takes over a changed table without a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Config, Overrides};
use crate::gateway::table::Gateway;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Reads the settings again whenever their file has changed, or at SIGHUP, until told to stop.
/// Settings that are not right are refused, and the table stays as it is.
pub async fn reload_on_change(
    gateway: Arc<Gateway>,
    overrides: Overrides,
    mut stop: watch::Receiver<bool>,
) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be heard: the settings are not read again");
        return;
    };
    let file = overrides.settings_file();
    let mut seen = state(&file);
    while !*stop.borrow() {
        let is_asked = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            _ = hangup.recv() => true,
            _ = stop.changed() => return,
        };
        let now = state(&file);
        if !is_asked && now == seen {
            continue;
        }
        seen = now;
        match Config::read(&overrides) {
            Ok(config) => {
                gateway.load(&config);
                gateway.count_reload("taken");
                tracing::info!(file = %file.display(), "the routing table was read again");
            }
            Err(error) => {
                gateway.count_reload("refused");
                tracing::error!(%error, "the settings are not right: the table stays as it was");
            }
        }
    }
}

/// Changes with the file; none where there is no file.
fn state(file: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
