//! `erp audit`: whether the audit log of a running server says what it said when it was
//! written.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::demo::{Client, SignIn};
use crate::gateway::MODULES;

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    sign_in: SignIn,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Compute every row's hash anew, of one module or of all; fail if one differs
    Verify { module: Option<String> },
}

/// Runs the command on a running server.
pub async fn audit(
    args: AuditArgs,
    data_dir: impl FnOnce() -> Result<PathBuf, String>,
) -> Result<(), String> {
    let AuditCommand::Verify { module } = args.command;
    let client = args.sign_in.client(data_dir).await?;
    let modules = module.as_deref().map_or_else(|| MODULES.to_vec(), |module| vec![module]);
    let mut broken = 0;
    for module in modules {
        broken += verify(&client, module).await?;
    }
    match broken {
        0 => Ok(()),
        n => Err(format!("{n} module(s) have an audit log that was changed")),
    }
}

/// Prints what was found; 1 if the log was changed.
async fn verify(client: &Client, module: &str) -> Result<u32, String> {
    let (mut rows, mut broken, mut after) = (0, Vec::new(), String::new());
    let mut heads = Vec::new();
    loop {
        let answer = client.get(&format!("{module}/audit-log/verify{after}")).await;
        let verdict = answer.map_err(|failure| failure.to_string())?;
        rows += verdict["rows"].as_i64().unwrap_or_default();
        broken.extend(verdict["broken"].as_array().cloned().unwrap_or_default());
        heads.extend(verdict["heads"].as_array().cloned().unwrap_or_default());
        match verdict.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("?after={next}"),
            None => break,
        }
    }
    let word = if broken.is_empty() { "whole" } else { "CHANGED" };
    print_line!("{module:<11} {rows:>9} rows  {word}");
    for row in &broken {
        let what = match row["what"].as_str() {
            Some("hash") => "does not say what it said",
            _ => "does not follow the one before it",
        };
        print_line!(
            "            row {} (chain {}, {}) {what}",
            row["id"],
            row["chain"],
            row["seq"]
        );
    }
    for head in heads {
        let hash = head["hash"].as_str().unwrap_or_default();
        print_line!("            chain {} ends at {} with {hash}", head["chain"], head["seq"]);
    }
    Ok(u32::from(!broken.is_empty()))
}
