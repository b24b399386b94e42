//! How many sales a second, from quotation to cash, one server on this machine does.
//!
//! `cargo bench --bench flows -- --database sqlite --clients 8 --seconds 30` starts the
//! built binary on a database of its own, lets clients sell over HTTP, and checks the books
//! afterwards. It prints its conditions; the last line is one JSON object.
//!
//! With `--split` the same is done again by a gateway and six services, each a process.

#![allow(clippy::float_arithmetic, reason = "figures of a measurement, never money")]

mod api;
mod books;
mod cost;
mod flow;
#[path = "../common/postgres.rs"]
mod postgres;
mod report;
mod server;
mod stock;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use api::Api;
use cost::Cost;
use flow::{Client, Figures};
use report::Report;
use server::{DataDir, Server};

/// Sells from quotation to cash for a while and says how fast that was.
#[derive(Debug, Parser)]
struct Args {
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    database: Database,
    /// Clients that sell at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    clients: u16,
    /// How long they begin new sales; at most 600, as a token lives for 900
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Measure a gateway and six services too, on data of their own
    #[arg(long)]
    split: bool,
    /// Cargo says it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

/// How the modules are spread over processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    One,
    Split,
}

/// How long the same clients read, and do nothing else, once nobody sells.
const READING: Duration = Duration::from_secs(5);
/// What starting, seeding, settling and checking may take beside the load itself.
const OVERHEAD: Duration = Duration::from_secs(180);

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
            eprintln!("flows: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Until it is done, takes too long, or somebody stops it: the server ends with the future.
async fn run_to_end(args: &Args) -> Result<(), String> {
    let runs = 1 + u32::from(args.split);
    let limit = (OVERHEAD + Duration::from_secs(args.seconds.into())) * runs;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    tokio::select! {
        result = tokio::time::timeout(limit, run(args)) => {
            result.unwrap_or_else(|_| Err(format!("not done after {} s", limit.as_secs())))
        }
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    }
}

async fn run(args: &Args) -> Result<(), String> {
    let one = measure(args, Topology::One).await?;
    if args.split {
        println!();
        let split = measure(args, Topology::Split).await?;
        println!("split / one process: {:.2} of its flows a second", split / one);
    }
    Ok(())
}

/// Flows a second.
async fn measure(args: &Args, topology: Topology) -> Result<f64, String> {
    let data_dir = DataDir::new(args.database == Database::Postgres)?;
    let durability = server::durability(&data_dir)?;
    let (server, _) = Server::start(&data_dir, topology).await?;
    let idle_rss_mb = server.rss_mb()?;
    let result = sell(args, &server, &data_dir).await;
    let Sold { clients, elapsed, cpu, cost } = match result {
        Ok(sold) => sold,
        Err(message) => return Err(format!("{message}\n{}", data_dir.log_tail())),
    };
    let rss_mb = server.rss_mb()?;
    let api = Api::sign_in(&server.base).await.map_err(|e| e.to_string())?;
    let last_orders = clients.iter().filter_map(|client| client.last_order.clone()).collect();
    let books = books::check(&api, last_orders).await;
    server.stop();
    let (server, start) = Server::start(&data_dir, topology).await?;
    server.stop();

    let mut figures = Figures::new();
    for client in clients {
        figures.add(&client.figures);
    }
    let report = Report {
        args,
        topology,
        durability,
        figures,
        elapsed,
        cpu,
        cost,
        rss_mb,
        idle_rss_mb,
        start,
        binary_mb: server::binary_mb()?,
    };
    report.print(&books);
    match books {
        Ok(_) if report.figures.flows() > 0 => Ok(report.flows_per_s()),
        Ok(_) => Err(format!("no sale was completed\n{}", data_dir.log_tail())),
        Err(message) => Err(message),
    }
}

/// What selling took.
struct Sold {
    clients: Vec<Client>,
    elapsed: Duration,
    /// The server's processor time.
    cpu: Duration,
    /// The database's own count, where it has a server.
    cost: Option<Cost>,
}

/// Stocks the shop, and sells until the time is up and every sale begun is done.
async fn sell(args: &Args, server: &Server, data_dir: &DataDir) -> Result<Sold, String> {
    let api = Api::sign_in(&server.base).await.map_err(|e| e.to_string())?;
    let shop = stock::seed(&api).await.map_err(|e| format!("seeding: {e}"))?;
    let meter = match &data_dir.postgres {
        Some(postgres) => Some(cost::Meter::start(postgres).await?),
        None => None,
    };
    let (started, cpu_before) = (Instant::now(), server.cpu()?);
    let deadline = started + Duration::from_secs(args.seconds.into());
    let mut running = JoinSet::new();
    for number in 0..args.clients {
        let client = Client::new(api.clone(), shop.clone(), number.into());
        running.spawn(client.sell_until(deadline));
    }
    let mut clients = Vec::new();
    while let Some(client) = running.join_next().await {
        clients.push(client.map_err(|error| error.to_string())?);
    }
    let cpu = server.cpu()?.saturating_sub(cpu_before);
    let elapsed = started.elapsed();
    let cost = match meter {
        Some(meter) => Some(meter.read().await?),
        None => None,
    };
    let deadline = Instant::now() + READING;
    let mut reading = JoinSet::new();
    for client in clients.drain(..) {
        reading.spawn(client.read_until(deadline));
    }
    while let Some(client) = reading.join_next().await {
        clients.push(client.map_err(|error| error.to_string())?);
    }
    Ok(Sold { clients, elapsed, cpu, cost })
}
