//! `erp migrate`: makes roles and schemas if told to, brings every schema up to date, or says
//! what that would do.

use clap::Args;
use kernel::config::Secret;
use kernel::db::{self, Pending};

use crate::config::{Config, check_data_dir};
use crate::{StartError, registry};

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// First make what a PostgreSQL server lacks: databases, login roles, schemas, grants
    #[arg(long)]
    create: bool,
    /// Who makes them, as postgres://admin:password@host/postgres. Others on this machine can
    /// read a command line: better in the environment, as ERP__SQL__ADMIN [setting: sql.admin]
    #[arg(long, value_name = "URL", requires = "create")]
    admin: Option<String>,
    /// Change nothing; say what is pending, and fail if anything is
    #[arg(long, conflicts_with = "create")]
    check: bool,
}

/// Prints a line a module.
pub async fn migrate(mut config: Config, args: MigrateArgs) -> Result<(), String> {
    if args.check {
        return check(&config).await;
    }
    if args.create {
        if let Some(admin) = args.admin {
            config.sql.admin = Secret::new(admin);
        }
        create(&config).await?;
    }
    check_data_dir(&config.data.dir).map_err(|e| e.to_string())?;
    for (module, scripts) in registry::migrations(&config) {
        let ran = db::migrate(module, scripts, &config.data, &config.sql).await.map_err(explain)?;
        match ran.as_slice() {
            [] => print_line!("{module:<11} is up to date"),
            ran => print_line!("{module:<11} ran {}", ran.join(", ")),
        }
    }
    Ok(())
}

async fn create(config: &Config) -> Result<(), String> {
    if config.sql.admin.expose().is_empty() {
        return Err("sql.admin: must be set to create anything, or --admin be given".to_owned());
    }
    let modules: Vec<_> = registry::migrations(config)
        .into_iter()
        .map(|(module, _)| module)
        .filter(|module| config.sql.connection_string(module).is_some())
        .collect();
    if modules.is_empty() {
        return Err("sql.connection_strings: no module has one".to_owned());
    }
    for line in db::create(&modules, &config.sql).await.map_err(explain)? {
        print_line!("{line}");
    }
    Ok(())
}

async fn check(config: &Config) -> Result<(), String> {
    let mut behind = 0;
    for (module, scripts) in registry::migrations(config) {
        let found =
            db::pending(module, scripts, &config.data, &config.sql).await.map_err(explain)?;
        behind += usize::from(!is_current(&found));
        print_line!("{module:<11} {}", describe(&found));
    }
    match behind {
        0 => Ok(()),
        n => Err(format!("{n} schema(s) not up to date")),
    }
}

/// Whether the server could start without changing the schema.
pub fn is_current(found: &Pending) -> bool {
    found.pending.is_empty() && found.changed.is_empty()
}

/// What there is to say of a schema, in a line.
pub fn describe(found: &Pending) -> String {
    let mut said = Vec::new();
    if !found.changed.is_empty() {
        said.push(format!("changed since they ran: {}", found.changed.join(", ")));
    }
    if !found.pending.is_empty() {
        said.push(format!("pending: {}", found.pending.join(", ")));
    }
    if said.is_empty() {
        said.push("is up to date".to_owned());
    }
    if !found.newer.is_empty() {
        said.push(format!("run by a newer version: {}", found.newer.join(", ")));
    }
    said.join("; ")
}

/// A line for the person at the keyboard.
pub fn explain(error: kernel::Error) -> String {
    StartError::Module(error).to_string()
}
