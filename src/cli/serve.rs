//! `erp serve` and `erp migrate`.

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;

/// Runs the server until Ctrl-C or SIGTERM.
pub async fn serve(config: Config) -> Result<(), String> {
    crate::init_telemetry(&config.telemetry);
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let running = crate::start(config).await.map_err(|e| e.to_string())?;
    let url = format!("http://{}", running.address);
    let mut line = format!("erp is running at {url}, docs at {url}/docs");
    if let Some(password) = &running.generated_admin_password {
        line += &format!(" - sign in as admin, password {}", password.expose());
    }
    println!("{line}");
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

/// Opening a module's data brings its schema up to date; this does that and stops.
pub async fn migrate(mut config: Config) -> Result<(), String> {
    config.server.bind = "127.0.0.1:0".into();
    config.internal.bind = String::new();
    let modules: Vec<_> = crate::registry::COMPILED
        .iter()
        .filter(|module| crate::registry::is_mounted(&config, module))
        .copied()
        .collect();
    let dir = config.data.dir.display().to_string();
    let running = crate::start(config).await.map_err(|e| e.to_string())?;
    if let Some(password) = &running.generated_admin_password {
        println!("first start: sign in as admin, password {}", password.expose());
    }
    running.stop().await;
    println!("{}: the schemas of {} are up to date", dir, modules.join(", "));
    Ok(())
}
