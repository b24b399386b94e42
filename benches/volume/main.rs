//! Whether it stays fast when there is much: a million products, orders and invoices in
//! PostgreSQL.
//!
//! `cargo bench --bench volume` starts a PostgreSQL server of its own, loads two databases
//! through `COPY` (one of a hundredth of the size, to compare with), starts the built binary
//! on them, and measures over HTTP: every list with every filter, large documents, reports,
//! laws, and what a sale costs. It prints its conditions and which bars were met; the last
//! line is one JSON object. `-- --products 10000 --customers 2000 --orders 10000
//! --invoices 10000` is a run of two minutes.

#![allow(clippy::float_arithmetic, reason = "figures of a measurement, never money")]

#[path = "../flows/api.rs"]
#[allow(dead_code, reason = "flows uses more of it")]
mod api;
mod documents;
#[path = "../flows/flow.rs"]
#[allow(dead_code, reason = "flows uses more of it")]
mod flow;
mod flows;
mod lists;
mod load;
#[path = "../common/postgres.rs"]
mod postgres;
#[path = "../common/probe.rs"]
#[allow(dead_code, reason = "inventory uses more of it")]
mod probe;
mod report;
mod reports;
#[path = "../common/server.rs"]
mod server;
#[path = "../flows/stock.rs"]
#[allow(dead_code, reason = "here the shop is loaded")]
mod stock;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use sea_orm::sqlx::postgres::{PgPool, PgPoolOptions};
use sea_orm::sqlx::{AssertSqlSafe, query, query_scalar};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use flows::Market;
use postgres::Postgres;
use probe::Probe;
use report::Report;
use server::Server;
use world::{Scale, World};

/// Loads much and says whether everything stays fast.
#[derive(Debug, Parser)]
struct Args {
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    products: u64,
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1000..))]
    customers: u64,
    /// At most three for each product, or the goods run out
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    orders: u64,
    /// At most as many as orders
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    invoices: u64,
    /// Keep the databases in this directory, and use what an earlier run has left there
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Cargo says it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The database to compare with: as many orders as a small company has.
const SMALL: Scale = Scale { products: 10_000, customers: 2_000, orders: 10_000, invoices: 10_000 };
/// A run takes half of it on two cores.
const LIMIT: Duration = Duration::from_secs(3000);

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
            eprintln!("volume: {message}");
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
    let begun = Instant::now();
    let Args { products, customers, orders, invoices, .. } = *args;
    if invoices > orders || orders > 3 * products {
        return Err("too many invoices for the orders, or orders for the products".into());
    }
    let scale = Scale { products, customers, orders, invoices };
    let directory = Directory::new(args.keep.clone())?;
    let postgres = Postgres::start(&directory.path.join("postgres"))?;
    let (small_server, small) = prepare(&directory.path, &postgres, "volume_small", SMALL).await?;
    let (large_server, large) = prepare(&directory.path, &postgres, "volume_large", scale).await?;
    conditions(args, &postgres).await?;

    let mut report = Report::default();
    let result = measure(&mut report, &postgres, (&small_server, &small), (&large_server, &large));
    result.await.map_err(|message| format!("{message}\n{}", large_server.log_tail()))?;
    println!("\nthe whole run took {:.0} s", begun.elapsed().as_secs_f64());
    match report.finish() {
        missed if missed.is_empty() => Ok(()),
        missed => Err(format!("missed: {}", missed.join("; "))),
    }
}

async fn measure(
    report: &mut Report,
    postgres: &Postgres,
    small: (&Server, &World),
    large: (&Server, &World),
) -> Result<(), String> {
    let (server, world) = large;
    let probe = &mut Probe::sign_in(&server.base).await?;
    let listed = lists::measure(probe).await?;
    report.lists(&listed);

    println!("\n{:<58} {:>6} {:>9} {:>9} {:>9}", "request (ms)", "times", "p50", "p95", "max");
    for (path, most) in reports::paths(world.now.date_naive()) {
        let times = reports::times(probe, &path).await?;
        report.times(&path, &times, most);
    }
    let pool = connect(postgres, "volume_large").await?;
    report.times("confirm 300 lines", &documents::confirmations(probe, world).await?, Some(150.0));
    settle(&pool).await?;
    report.times(
        "receive 5000 lines",
        &documents::stock_receipts(probe, world).await?,
        Some(2000.0),
    );
    let took = settle(&pool).await?;
    println!("    its events were delivered {:.1} s later", took.as_secs_f64());
    let times = documents::purchase_receipts(probe, world).await?;
    report.times("receive 5000 lines of a purchase order", &times, Some(2000.0));
    let took = settle(&pool).await?;
    println!("    its events were delivered {:.1} s later", took.as_secs_f64());

    let mut markets = [Market::new(small.0, small.1), Market::new(server, world)];
    flows::compare(postgres, &mut markets).await?;
    println!("\nsales from quotation to cash, by turns");
    for (market, (_, world)) in markets.iter().zip([small, large]) {
        println!(
            "  of {} orders, {:.1} ms of processor time each",
            world.scale.orders,
            market.cpu_ms()
        );
        report.times(&format!("sale at {} orders", world.scale.orders), &market.sales, None);
        for error in &market.errors {
            println!("    {error}");
        }
    }
    let errors: usize = markets.iter().map(|market| market.errors.len()).sum();
    report.bar("kinds of errors in sales".into(), errors as f64, 1.0, "");
    let [few, many] = &markets;
    let dearer = (many.cpu_ms() / few.cpu_ms() - 1.0) * 100.0;
    report.bar(
        "processor time of a sale at many orders, more than at few".into(),
        dearer,
        20.0,
        "%",
    );
    let slower = many.sales.value_at_quantile(0.5) as f64 / few.sales.value_at_quantile(0.5) as f64;
    report.bar(
        "median of a sale at many orders, more than at few".into(),
        (slower - 1.0) * 100.0,
        20.0,
        "%",
    );

    settle(&pool).await?;
    report.laws(&reports::laws(probe).await?);
    pool.close().await;
    Ok(())
}

/// A server on a loaded database, and what was loaded.
async fn prepare(
    directory: &Path,
    postgres: &Postgres,
    name: &str,
    scale: Scale,
) -> Result<(Server, World), String> {
    let admin = connect(postgres, "postgres").await?;
    let sql = "SELECT COUNT(*) FROM pg_database WHERE datname = $1";
    let there: i64 =
        query_scalar(sql).bind(name).fetch_one(&admin).await.map_err(|e| e.to_string())?;
    let url = postgres.url(name);
    let directory = directory.join(name);
    let world = if there == 0 {
        let world = World::new(scale);
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        query(create).execute(&admin).await.map_err(|e| e.to_string())?;
        // The server makes the schemas.
        drop(Server::start(&directory, &url).await?);
        eprintln!("volume: loading {name}");
        load::load(&url, &world).await?;
        world
    } else {
        let pool = connect(postgres, name).await?;
        let sql = "SELECT id FROM inventory.warehouses WHERE code = 'MAIN'";
        let warehouse = query_scalar(sql).fetch_one(&pool).await.map_err(|e| e.to_string())?;
        pool.close().await;
        World::loaded(scale, warehouse)
    };
    admin.close().await;
    Ok((Server::start(&directory, &url).await?, world))
}

async fn connect(postgres: &Postgres, database: &str) -> Result<PgPool, String> {
    let pool = PgPoolOptions::new().max_connections(2).connect(&postgres.url(database)).await;
    pool.map_err(|e| format!("{database}: {e}"))
}

/// Waits until what was done last has been told to everybody who hears of it.
async fn settle(pool: &PgPool) -> Result<Duration, String> {
    const LIMIT: Duration = Duration::from_secs(600);
    let begun = Instant::now();
    let sql = "SELECT (SELECT COUNT(*) FROM billing.outbox) + (SELECT COUNT(*) FROM inventory.outbox) \
        + (SELECT COUNT(*) FROM orders.outbox) + (SELECT COUNT(*) FROM purchasing.outbox) \
        + (SELECT COUNT(*) FROM sales.outbox)";
    loop {
        let waiting: i64 = query_scalar(sql).fetch_one(pool).await.map_err(|e| e.to_string())?;
        if waiting == 0 {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > LIMIT {
            return Err(format!("{waiting} events are still to be delivered"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn conditions(args: &Args, postgres: &Postgres) -> Result<(), String> {
    let pool = connect(postgres, "volume_large").await?;
    let sql = "SELECT pg_database_size(current_database())";
    let bytes: i64 = query_scalar(sql).fetch_one(&pool).await.map_err(|e| e.to_string())?;
    let sql = "SELECT CAST(SUM(n_live_tup) AS BIGINT) FROM pg_stat_user_tables";
    let rows: i64 = query_scalar(sql).fetch_one(&pool).await.map_err(|e| e.to_string())?;
    pool.close().await;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("conditions");
    println!("  cpu        {} ({cores} cores, shared by all)", report::cpu_model());
    println!("  database   {}", postgres.conditions());
    println!(
        "  loaded     {} products, {} customers, {} orders, {} invoices",
        args.products, args.customers, args.orders, args.invoices
    );
    println!("  size       {rows} rows, {:.2} GB", bytes as f64 / 1e9);
    println!("  build      {profile}");
    Ok(())
}

/// Where the databases are; removed when dropped, unless somebody named it.
struct Directory {
    path: PathBuf,
    is_kept: bool,
}

impl Directory {
    fn new(keep: Option<PathBuf>) -> Result<Directory, String> {
        let is_kept = keep.is_some();
        let path = keep
            .unwrap_or_else(|| std::env::temp_dir().join(format!("erp-volume-{}", Uuid::now_v7())));
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Directory { path, is_kept })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing is left to do about a directory that cannot be removed.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
