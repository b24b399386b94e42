//! Whether a warehouse works as fast as it should: files of products, large receipts and stock
//! takes, reservations by many at once, late costs, lists and valuation of much.
//!
//! `cargo bench --bench inventory` starts a PostgreSQL server of its own and the built binary on
//! it, both on the loopback interface, measures over HTTP, prints its conditions and which bars
//! were met, and ends by itself; the last line is one JSON object. `-- --products 100000
//! --moves 100000` is a run of two minutes.

#![allow(clippy::float_arithmetic, reason = "figures of a measurement, never money")]

#[path = "../common/postgres.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod postgres;
#[path = "../common/probe.rs"]
mod probe;
mod report;
#[path = "../common/server.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod server;
mod stock;
mod volume;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sea_orm::sqlx::query_scalar;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use postgres::Postgres;
use probe::Probe;
use report::Report;
use server::Server;

/// Measures what people do in a warehouse.
#[derive(Debug, Parser)]
struct Args {
    /// For the lists; 100000 of them are imported
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100_000..=5_000_000))]
    products: u64,
    /// For the valuation of a day
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(20_000..=10_000_000))]
    moves: u64,
    /// Cargo says it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// A run takes a third of it on two cores.
const LIMIT: Duration = Duration::from_secs(1800);

fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: the clients share the cores with the server they measure.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run_to_end(&args)),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("inventory: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Until it is done, takes too long, or somebody stops it: the servers end with the future.
async fn run_to_end(args: &Args) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    tokio::select! {
        result = tokio::time::timeout(LIMIT, run(args)) => {
            result.unwrap_or_else(|_| Err(format!("not done after {} s", LIMIT.as_secs())))
        }
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    }
}

async fn run(args: &Args) -> Result<(), String> {
    let directory = Directory::new()?;
    let postgres = Postgres::start(&directory.0.join("postgres"))?;
    let url = postgres.url("postgres");
    let server = Server::start(&directory.0, &url).await?;
    // As the module's own connections: its triggers name its tables alone.
    let options: PgConnectOptions = url.parse().map_err(|e| format!("{url}: {e}"))?;
    let options = options.options([("search_path", "inventory")]);
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await;
    let pool = pool.map_err(|e| e.to_string())?;
    conditions(args, &postgres);
    let mut report = Report::default();
    let measured = measure(&mut report, args, &server, &pool).await;
    pool.close().await;
    measured.map_err(|message| format!("{message}\n{}", server.log_tail()))?;
    match report.finish() {
        missed if missed.is_empty() => Ok(()),
        missed => Err(format!("missed: {}", missed.join("; "))),
    }
}

async fn measure(
    report: &mut Report,
    args: &Args,
    server: &Server,
    pool: &PgPool,
) -> Result<(), String> {
    let probe = &mut Probe::sign_in(&server.base).await?;
    volume::import_products(report, probe).await?;
    let shop = stock::Shop::open(probe).await?;
    shop.receive(report, probe).await?;
    shop.count(report, probe).await?;
    settle(pool).await?;
    shop.reserve(report, probe).await?;
    shop.late_cost(report, probe).await?;
    volume::lists(report, probe, pool, args.products).await?;
    volume::valuation(report, probe, pool, args.moves).await?;
    volume::laws(report, probe).await
}

/// Until billing has heard of all that was received and counted: what is measured next is not to
/// share the cores with that.
async fn settle(pool: &PgPool) -> Result<(), String> {
    loop {
        let left = query_scalar::<_, i64>("SELECT COUNT(*) FROM outbox").fetch_one(pool).await;
        if left.map_err(|e| e.to_string())? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn conditions(args: &Args, postgres: &Postgres) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("conditions");
    println!("  cpu        {} ({cores} cores, shared by all)", report::cpu_model());
    println!("  database   {}", postgres.conditions());
    println!("  loaded     {} products, {} moves", args.products, args.moves);
    println!("  build      {profile}\n");
}

/// Where the database is; removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Directory, String> {
        let path = std::env::temp_dir().join(format!("erp-inventory-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Directory(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing is left to do about a directory that cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
