//! The command line.

/// Prints a line. That nobody reads on, as in `erp routes | head -1`, is no failure.
macro_rules! print_line {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod audit;
mod demo;
mod doctor;
mod events;
mod health;
mod keys;
mod migrate;
mod routes;
mod serve;
mod specs;

pub use specs::documents;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{Config, Overrides};

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
    /// Print the routing table, or what another gateway would be given for it
    Routes {
        #[arg(long, value_enum, default_value_t = routes::Format::Table)]
        format: routes::Format,
    },
    /// Check the settings and print them, secrets hidden
    CheckConfig,
    /// Say what is configured, reachable and missing
    Doctor,
    /// Make the keys by which processes of a split system know each other
    ServiceKeys(keys::KeysArgs),
    /// Ask the server running here with these settings how it is; fail if it cannot work
    Health(health::HealthArgs),
    /// Fill a running server with a trading company and walk through its work
    Demo(demo::SignIn),
    /// Parked events of a running server: list, replay, drop
    Events(events::EventsArgs),
    /// The audit log of a running server: verify that nobody changed it
    Audit(audit::AuditArgs),
    /// Print a completion script
    Completions { shell: clap_complete::Shell },
}

/// Runs the command; an error is one line for the person at the keyboard.
pub async fn run(cli: Cli) -> Result<(), String> {
    let overrides = Overrides {
        file: cli.settings.config,
        bind: cli.settings.bind,
        data_dir: cli.settings.data_dir,
    };
    let load = || -> Result<Config, String> { Config::read(&overrides).map_err(|e| e.to_string()) };
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::serve(load()?).await,
        Command::Migrate(args) => migrate::migrate(load()?, args).await,
        Command::Openapi { dir, check } => specs::openapi(&dir, check).await,
        Command::Routes { format } => routes::print(&load()?, format),
        Command::CheckConfig => check_config(&load()?),
        Command::Doctor => doctor::doctor(load()?).await,
        Command::ServiceKeys(args) => keys::service_keys(args),
        Command::Health(args) => health::health(&load()?.server.bind, args).await,
        Command::Demo(args) => demo::demo(args, || Ok(load()?.data.dir)).await,
        Command::Events(args) => events::events(args, || Ok(load()?.data.dir)).await,
        Command::Audit(args) => audit::audit(args, || Ok(load()?.data.dir)).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "erp", &mut script);
            // As with `print_line`.
            let _ = std::io::stdout().write_all(&script);
            Ok(())
        }
    }
}

/// Writes a file that its owner alone can read.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn check_config(config: &Config) -> Result<(), String> {
    crate::registry::check_module_settings(config).map_err(|e| e.to_string())?;
    print_line!("{}", serde_json::to_string_pretty(config).map_err(|e| e.to_string())?);
    Ok(())
}
