//! What PostgreSQL alone has to show: to an operator roles, TLS, pools and migrations of
//! several processes; to a company that many at once, crashes and replicas break nothing.

mod aborted;
pub mod checks;
mod contention;
mod doctor;
mod migrations;
mod pools;
mod random;
mod replicas;
mod restart;
mod roles;
mod rolling;
mod tls;

use std::process::Output;

use sea_orm::{Database, DatabaseConnection};

use crate::cli::{Dir, erp};

/// Every byte as `%41`: what is special in a URL is not.
fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The setting's name as the platform has it: `Sql__ConnectionStrings__OrdersDb`.
fn variable(module: &str) -> String {
    let (first, rest) = module.split_at(1);
    format!("Sql__ConnectionStrings__{}{rest}Db", first.to_uppercase())
}

/// Runs the executable with these connection strings by module, in the environment.
fn erp_with(dir: &Dir, args: &[&str], urls: &[(&str, &str)], more: &[(&str, &str)]) -> Output {
    let variables: Vec<_> =
        urls.iter().map(|(module, url)| (variable(module), (*url).to_owned())).collect();
    let env = variables.iter().map(|(name, url)| (name.as_str(), url.as_str()));
    erp(dir, args, &env.chain(more.iter().copied()).collect::<Vec<_>>())
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command that succeeded printed.
#[track_caller]
fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{errors}", stdout(output));
    stdout(output)
}

async fn connect(url: &str) -> DatabaseConnection {
    Database::connect(url).await.expect("the database answers")
}
