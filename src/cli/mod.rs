//! The command line.

mod demo;
mod doctor;
mod health;
mod migrate;
mod serve;
mod specs;

pub use specs::documents;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::config::{self, Config, Overrides};
use crate::gateway;

/// An ERP backend: products, stock, customers, quotations, orders, shipments, suppliers,
/// purchase orders, receipts, invoices, payments and a double-entry ledger behind one API.
#[derive(Debug, Parser)]
#[command(name = "erp", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
struct Settings {
    /// Settings file [default: config.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on [setting: server.bind]
    #[arg(long, global = true, value_name = "ADDRESS")]
    bind: Option<String>,
    /// Directory of the databases [setting: data.dir]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (also without a command)
    Serve,
    /// Bring the databases' schemas up to date, say what was done, and stop
    Migrate(migrate::MigrateArgs),
    /// Write the OpenAPI documents, or check that they are up to date
    Openapi {
        /// Directory to write to, or to compare with
        #[arg(long, value_name = "DIR", default_value = "openapi")]
        dir: PathBuf,
        /// Write nothing; fail if a document differs
        #[arg(long)]
        check: bool,
    },
    /// Print the routing table
    Routes {
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Check the settings and print them, secrets hidden
    CheckConfig,
    /// Say what is configured, reachable and missing
    Doctor,
    /// Ask the server running here with these settings how it is; fail if it cannot work
    Health(health::HealthArgs),
    /// Fill a running server with a trading company and walk through its work
    Demo(demo::DemoArgs),
    /// Print a completion script
    Completions { shell: clap_complete::Shell },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Runs the command; an error is one line for the person at the keyboard.
pub async fn run(cli: Cli) -> Result<(), String> {
    let overrides = Overrides {
        file: cli.settings.config,
        bind: cli.settings.bind,
        data_dir: cli.settings.data_dir,
    };
    let load = || -> Result<Config, String> {
        let layers = config::figment(&overrides).map_err(|e| e.to_string())?;
        Config::load(&layers).map_err(|e| e.to_string())
    };
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::serve(load()?).await,
        Command::Migrate(args) => migrate::migrate(load()?, args).await,
        Command::Openapi { dir, check } => specs::openapi(&dir, check).await,
        Command::Routes { format } => routes(&load()?, format),
        Command::CheckConfig => check_config(&load()?),
        Command::Doctor => doctor::doctor(load()?).await,
        Command::Health(args) => health::health(&load()?.server.bind, args).await,
        Command::Demo(args) => demo::demo(args, || Ok(load()?.data.dir)).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "erp", &mut std::io::stdout());
            Ok(())
        }
    }
}

fn routes(config: &Config, format: Format) -> Result<(), String> {
    let table = gateway::routes(|module| {
        (!crate::registry::is_mounted(config, module)).then(|| {
            config.remote.get(module).map_or_else(|| "none".to_owned(), |remote| remote.url.clone())
        })
    });
    match format {
        Format::Json => {
            println!("{}", serde_json::to_string_pretty(&table).map_err(|e| e.to_string())?);
        }
        Format::Table => {
            println!("{:<22} {:<11} {:<8} {:<10} TARGET", "PREFIX", "MODULE", "TIMEOUT", "BODY");
            for row in table {
                println!(
                    "{:<22} {:<11} {:<8} {:<10} {}",
                    row.prefix,
                    row.module,
                    format!("{} s", row.timeout_s),
                    format!("{} KiB", row.max_body_bytes / 1024),
                    row.target
                );
            }
        }
    }
    Ok(())
}

fn check_config(config: &Config) -> Result<(), String> {
    crate::registry::check_module_settings(config).map_err(|e| e.to_string())?;
    println!("{}", serde_json::to_string_pretty(config).map_err(|e| e.to_string())?);
    Ok(())
}
