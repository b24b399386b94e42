//! Whether the books balance and every law holds.

use serde_json::Value;

use super::client::Client;
use super::failure::{Failure, InStep, Result};
use super::patience::Patience;
use super::reading::{amount_text, is_zero, string};
use crate::gateway::MODULES;

/// Prints the trial balance; a difference is a failure.
pub(super) async fn trial_balance(client: &Client) -> Result<()> {
    let step = || "trial balance".to_owned();
    let balance = client.get("billing/trial-balance").await.step(step)?;
    print_line!("\nTrial balance as of {}", string(&balance["as_of"]));
    row("", "Account", ["Debit", "Credit", "Balance"]);
    for account in balance["accounts"].as_array().into_iter().flatten() {
        let sides = ["debit", "credit", "balance"].map(|side| string(&account[side]["amount"]));
        row(string(&account["code"]), string(&account["name"]), sides);
    }
    let totals = ["total_debit", "total_credit", "difference"];
    row("", "Total, and the difference", totals.map(|side| string(&balance[side]["amount"])));
    let difference = amount_text(&balance["difference"]);
    if !is_zero(&balance["difference"]["amount"]) {
        let detail = format!("the books are off by {difference}");
        return Err(Failure::new("books_do_not_balance", detail)).step(step);
    }
    Ok(())
}

fn row(code: &str, name: &str, amounts: [&str; 3]) {
    let [debit, credit, balance] = amounts;
    print_line!("  {code:<6} {name:<30} {debit:>16} {credit:>16} {balance:>16}");
}

/// Prints how many laws each module holds; a broken one is a failure.
pub(super) async fn laws(client: &Client) -> Result<()> {
    print_line!("\nLaws");
    let mut broken = Vec::new();
    for module in MODULES {
        let (count, violated) = settled_laws(client, module).await?;
        let violations: i64 = violated.iter().filter_map(|law| law["violations"].as_i64()).sum();
        print_line!("  {module:<11} {count:>3} laws, {violations} violations");
        broken.extend(violated.into_iter().map(|law| {
            format!("{module} {}: {}", string(&law["id"]), string(&law["description"]))
        }));
    }
    match broken.is_empty() {
        true => Ok(()),
        false => Err(Failure::new("laws_broken", broken.join("; "))).step(|| "laws".to_owned()),
    }
}

/// The number of a module's laws, and those broken once its events had time to arrive.
async fn settled_laws(client: &Client, module: &str) -> Result<(usize, Vec<Value>)> {
    let mut patience = Patience::new();
    loop {
        let report = client.get(&format!("{module}/invariants")).await;
        let report = report.step(|| format!("laws of {module}"))?;
        let laws = report["laws"].as_array().cloned().unwrap_or_default();
        let count = laws.len();
        let broken: Vec<Value> = laws.into_iter().filter(|law| law["violations"] != 0).collect();
        if broken.is_empty() || !patience.pause().await {
            return Ok((count, broken));
        }
    }
}
