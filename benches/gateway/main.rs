//! What the gateway costs: the same requests to one service, asked directly, through our
//! gateway, through Envoy and through nginx, all on the same cores; and what a local row costs a module in
//! the same process.
//!
//! `cargo bench --bench gateway -- --seconds 10 --connections 32` starts the built binary as
//! the service and again, with no module mounted, as the gateway. Envoy and nginx are measured
//! where they are installed. Rounds alternate, so that whatever else the machine does falls on
//! all of them. It prints its conditions; the last line is one JSON object.

#![allow(clippy::float_arithmetic, reason = "figures of a measurement, never money")]

mod in_process;
mod load;
mod others;
mod processes;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use in_process::InProcess;
use load::{Load, Tally};
use others::{Envoy, Nginx};
use processes::{Asked, Dir, Erp, Service};

/// Measures what a gateway costs.
#[derive(Debug, Parser)]
struct Args {
    /// How long each round of each target takes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=20))]
    rounds: u16,
    /// Connections that each have one request under way
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    /// Whether the gateways speak HTTP/1.1 to the service, instead of HTTP/2
    #[arg(long)]
    http1: bool,
    /// Cargo says it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What starting, seeding and warming up may take beside the load itself.
const OVERHEAD: Duration = Duration::from_secs(120);
const WARM_UP: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: the load shares the cores with what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run_to_end(&args)),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("gateway: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Until it is done, takes too long, or somebody stops it: what was started ends with the
/// future.
async fn run_to_end(args: &Args) -> Result<(), String> {
    let limit = OVERHEAD + Duration::from_secs(8 * u64::from(args.seconds * args.rounds));
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    tokio::select! {
        result = tokio::time::timeout(limit, run(args)) => {
            result.unwrap_or_else(|_| Err(format!("not done after {} s", limit.as_secs())))
        }
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    }
}

/// Something to ask, and what came of it.
struct Target {
    name: &'static str,
    address: String,
    request: String,
    /// What it checks before it asks the service.
    checks: &'static str,
    tally: Tally,
    /// Requests a second of each round.
    rates: Vec<f64>,
}

async fn run(args: &Args) -> Result<(), String> {
    let dir = Dir::new()?;
    let service = Service::start(&dir).await?;
    let gateway = Erp::gateway(&dir, &service, !args.http1)?;
    let envoy = Envoy::start(&dir, &service, !args.http1).await?;
    let nginx = Nginx::start(&dir, &service)?;
    let target = |name, address: &str, checks| Target {
        name,
        address: address.to_owned(),
        request: service.asked.request(),
        checks,
        tally: Tally::default(),
        rates: Vec::new(),
    };
    let mut targets = vec![
        target("service", &service.address, "no gateway"),
        target("erp", &gateway.address, "token, permission, limits, headers"),
    ];
    if let Some(envoy) = &envoy {
        targets.push(target("envoy", &envoy.address, "token (jwt_authn)"));
    }
    if let Some(nginx) = &nginx {
        targets.push(target("nginx", &nginx.address, "nothing"));
    }
    let in_process = InProcess::start(&dir).await?;
    let request = Asked::of(&in_process.through_row).await?.request();
    for (name, address, checks) in [
        ("route", &in_process.through_row, "a local row, in the process of the load"),
        ("bare", &in_process.bare, "its handler behind the module's guard alone"),
    ] {
        targets.push(Target { request: request.clone(), ..target(name, address, checks) });
    }
    let load = |request: &str| Load { connections: args.connections, request: request.to_owned() };
    // Whoever cannot check a token would be measured at doing nothing.
    let strangers = load(&service.asked.request_of_a_stranger());
    for target in &targets[1..] {
        let refused = strangers.one(&target.address).await?;
        if target.name != "nginx" && refused != 401 {
            return Err(format!("{} answers a stranger {refused}", target.name));
        }
    }
    for target in &mut targets {
        load(&target.request).run(&target.address, WARM_UP).await?;
    }
    for round in 0..args.rounds {
        // Each begins a round in turn.
        let count = targets.len();
        for i in 0..count {
            let target = &mut targets[(usize::from(round) + i) % count];
            let time = Duration::from_secs(args.seconds.into());
            let tally = load(&target.request).run(&target.address, time).await?;
            target.rates.push(tally.per_s());
            target.tally.add(&tally);
        }
    }
    report::print(args, &targets, gateway.rss_mb()?);
    let errors: u64 = targets.iter().map(|target| target.tally.errors).sum();
    if errors == 0 { Ok(()) } else { Err(format!("{errors} requests failed")) }
}
