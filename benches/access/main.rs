//! What it costs to know who asks.
//!
//! `cargo bench --bench access` checks tokens in this process, as every module does, and starts
//! the built binary on SQLite files of its own for the rest: refreshes a second, memory for ten
//! thousand live sessions, and how much of a sign-in is argon2. It prints its conditions; the last
//! line is one JSON object. It takes some two minutes on two cores.

#![allow(clippy::float_arithmetic, reason = "figures of a measurement, never money")]

mod server;
mod tokens;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use clap::Parser;
use hdrhistogram::Histogram;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use server::{Cost, PASSWORD, Server};

/// Measures the checking of tokens, refreshing, sessions and signing in.
#[derive(Debug, Parser)]
struct Args {
    /// Clients that refresh at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    clients: u16,
    /// How long they do
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=120))]
    seconds: u16,
    /// Sessions that live at the same time
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=50_000))]
    sessions: u32,
    /// Cargo says it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Of everything; a run takes a fifth of it.
const LIMIT: Duration = Duration::from_secs(900);
const SIGN_INS: u32 = 100;

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: the clients share the cores with the server they measure.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(|e| e.to_string()).and_then(|runtime| {
        runtime.block_on(async {
            let run = tokio::time::timeout(LIMIT, run(&args)).await;
            run.unwrap_or_else(|_| Err(format!("not done after {} s", LIMIT.as_secs())))
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("access: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("conditions");
    println!(
        "  {cores} cores, shared by the server and its clients; SQLite files, synchronous full"
    );
    println!("  argon2id as the settings have it (19 MiB, 2 passes), but for the many sessions");

    let tokens = tokens::measure().await?;
    let us = |histogram: &Histogram<u64>, q: f64| histogram.value_at_quantile(q) as f64 / 1e3;
    println!("\na token checked by a module (no I/O; bar: 50 us)");
    for (name, times) in [("seen before", &tokens.again), ("for the first time", &tokens.first)] {
        println!("  {name:<20} p50 {:.2} us, p99 {:.2} us", us(times, 0.5), us(times, 0.99));
    }

    let refreshes = refresh(args).await?;
    println!("\nrefreshes by {} clients (bar: 200 a second)", args.clients);
    println!("  {refreshes:.0} a second");

    let sessions_mb = sessions(args).await?;
    println!("\n{} live sessions, each with a token that was used (bar: 20 MB)", args.sessions);
    println!("  {sessions_mb:.1} MB more resident memory than before them");

    let signing = sign_ins().await?;
    println!("\nsigning in, one after the other (bar: argon2 alone)");
    println!(
        "  {:.1} ms, of which argon2 {:.1} ms ({:.0} %)",
        signing.whole_ms,
        signing.argon2_ms,
        signing.share()
    );

    let missed: Vec<_> = [
        ("a token seen before (p99)", us(&tokens.again, 0.99) < 50.0),
        ("a token for the first time (p50)", us(&tokens.first, 0.5) < 50.0),
        ("a token for the first time (p99)", us(&tokens.first, 0.99) < 50.0),
        ("refreshes", refreshes >= 200.0),
        ("sessions", sessions_mb < 20.0),
    ]
    .into_iter()
    .filter_map(|(bar, met)| (!met).then_some(bar))
    .collect();
    println!(
        "\nbars missed: {}",
        if missed.is_empty() { "none".into() } else { missed.join(", ") }
    );
    let figures = json!({
        "token_again_p50_us": rounded(us(&tokens.again, 0.5)),
        "token_again_p99_us": rounded(us(&tokens.again, 0.99)),
        "token_first_p50_us": rounded(us(&tokens.first, 0.5)),
        "token_first_p99_us": rounded(us(&tokens.first, 0.99)),
        "refreshes_per_s": rounded(refreshes),
        "sessions": args.sessions,
        "sessions_mb": rounded(sessions_mb),
        "sign_in_ms": rounded(signing.whole_ms),
        "argon2_percent": rounded(signing.share()),
    });
    println!("{figures}");
    Ok(())
}

fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

async fn ask(client: &Client, url: &str, body: &Value) -> Result<Value> {
    let answer = client.post(url).json(body).send().await.map_err(|e| e.to_string())?;
    let status = answer.status();
    let body: Value = answer.json().await.map_err(|e| e.to_string())?;
    if status.is_success() { Ok(body) } else { Err(format!("{url}: {status} {body}")) }
}

async fn sign_in(client: &Client, server: &Server) -> Result<Value> {
    let body = json!({ "username": "admin", "password": PASSWORD });
    ask(client, &format!("{}/api/v1/auth/token", server.base), &body).await
}

fn client() -> Result<Client> {
    Client::builder().no_proxy().build().map_err(|e| e.to_string())
}

/// Refreshes a second. Each client uses what the last one gave it.
async fn refresh(args: &Args) -> Result<f64> {
    let server = Server::start(Cost::Usual).await?;
    let client = client()?;
    let url = format!("{}/api/v1/auth/token/refresh", server.base);
    let mut ready = Vec::new();
    for _ in 0..args.clients {
        ready.push(sign_in(&client, &server).await?["refresh_token"].clone());
    }
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(args.seconds.into());
    let mut running = JoinSet::new();
    for mut token in ready {
        let (client, url) = (client.clone(), url.clone());
        running.spawn(async move {
            let mut done = 0_u64;
            while Instant::now() < deadline {
                let next = ask(&client, &url, &json!({ "refresh_token": token })).await?;
                token = next["refresh_token"].clone();
                done += 1;
            }
            Result::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(one) = running.join_next().await {
        done += one.map_err(|e| e.to_string())??;
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}

/// Memory that so many sessions cost the server, whose tokens it has all seen.
async fn sessions(args: &Args) -> Result<f64> {
    let server = Server::start(Cost::Least).await?;
    let client = client()?;
    let use_one = async || {
        let tokens = sign_in(&client, &server).await?;
        let token = tokens["access_token"].as_str().unwrap_or_default();
        let me = format!("{}/api/v1/auth/me", server.base);
        let answer = client.get(me).bearer_auth(token).send().await.map_err(|e| e.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    };
    // What the first ones cost is pools, caches and statements.
    for _ in 0..args.sessions.min(500) {
        use_one().await?;
    }
    let before = server.rss_mb()?;
    for _ in 0..args.sessions {
        use_one().await?;
    }
    Ok(server.rss_mb()? - before)
}

struct Signing {
    whole_ms: f64,
    argon2_ms: f64,
}

impl Signing {
    /// Of argon2, in percent.
    fn share(&self) -> f64 {
        100.0 * self.argon2_ms / self.whole_ms
    }
}

/// What signing in takes, and of it the hash alone: by turns, so that both meet the same machine.
async fn sign_ins() -> Result<Signing> {
    let server = Server::start(Cost::Usual).await?;
    let client = client()?;
    let params = Params::new(19_456, 2, 1, None).map_err(|e| e.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut whole, mut hash) = (Vec::new(), Vec::new());
    for _ in 0..SIGN_INS {
        let begun = Instant::now();
        sign_in(&client, &server).await?;
        whole.push(begun.elapsed());
        let begun = Instant::now();
        let mut out = [0; 32];
        let hashed = argon2.hash_password_into(PASSWORD.as_bytes(), &[7; 16], &mut out);
        hashed.map_err(|e| e.to_string())?;
        std::hint::black_box(out);
        hash.push(begun.elapsed());
    }
    let median_ms = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    Ok(Signing { whole_ms: median_ms(whole), argon2_ms: median_ms(hash) })
}
