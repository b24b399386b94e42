//! `erp serve`.

use std::io::Write;
use std::path::Path;

use kernel::config::Secret;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;

/// Runs the server until Ctrl-C or SIGTERM.
pub async fn serve(config: Config) -> Result<(), String> {
    crate::init_telemetry(&config.telemetry);
    let data_dir = config.data.dir.clone();
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let running = crate::start(config).await.map_err(|e| e.to_string())?;
    let url = format!("http://{}", running.address);
    let mut line = format!("erp is running at {url}, docs at {url}/docs");
    if let Some(password) = &running.generated_admin_password {
        line += &format!(" - sign in as admin, password {}", password.expose());
        keep_password(&data_dir, password).map_err(|e| e.to_string())?;
    }
    print_line!("{line}");
    // A closed stdout (`erp | head`) is no reason not to serve.
    let _ = std::io::stdout().flush();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: running requests may finish");
    running.stop().await;
    Ok(())
}

/// The file in the data directory that holds a generated administrator password, for
/// `erp demo` on the same machine. Only its owner can read it; delete it at will.
pub const PASSWORD_FILE: &str = "admin-password";

fn keep_password(dir: &Path, password: &Secret) -> std::io::Result<()> {
    super::write_secret(&dir.join(PASSWORD_FILE), password.expose())
}
