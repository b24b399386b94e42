//! `erp events`: what a subscriber refused too often, to be delivered again or given up.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::demo::{Client, SignIn};
use crate::gateway::MODULES;

#[derive(Debug, Args)]
pub struct EventsArgs {
    #[command(flatten)]
    sign_in: SignIn,
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// List parked events, of one module or of all
    List { module: Option<String> },
    /// Have one delivered again
    Replay { module: String, id: i64 },
    /// Give one up; its subscriber never hears of it
    Drop { module: String, id: i64 },
}

/// Runs the command on a running server.
pub async fn events(
    args: EventsArgs,
    data_dir: impl FnOnce() -> Result<PathBuf, String>,
) -> Result<(), String> {
    let client = args.sign_in.client(data_dir).await?;
    let settle = async |module: &str, id: i64, action: &str| {
        let path = format!("{module}/parked-events/{id}/{action}");
        client.post(&path).await.map(drop).map_err(|failure| failure.to_string())
    };
    match args.command {
        EventsCommand::List { module } => list(&client, module).await,
        EventsCommand::Replay { module, id } => settle(&module, id, "replay").await,
        EventsCommand::Drop { module, id } => settle(&module, id, "drop").await,
    }
}

async fn list(client: &Client, module: Option<String>) -> Result<(), String> {
    // Auth tells nobody anything.
    let modules = match &module {
        Some(module) => vec![module.as_str()],
        None => MODULES.into_iter().filter(|module| *module != "auth").collect(),
    };
    print_line!("{:<11} {:>8} {:<32} {:<11} {:>7} ERROR", "MODULE", "ID", "TYPE", "FOR", "WAITING");
    for module in modules {
        let answer = client.get(&format!("{module}/parked-events")).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        for event in answer["data"].as_array().into_iter().flatten() {
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            let number = |key: &str| event[key].as_i64().unwrap_or_default();
            print_line!(
                "{module:<11} {:>8} {:<32} {:<11} {:>7} {}",
                number("id"),
                text("type"),
                text("subscriber"),
                number("waiting"),
                event.get("last_error").and_then(Value::as_str).unwrap_or_default()
            );
        }
    }
    Ok(())
}
