//! What came out, for people and, in the last line, for programs.

use serde_json::{Map, Value, json};

use crate::others::version;
use crate::{Args, Target};

pub fn print(args: &Args, targets: &[Target], rss_mb: f64) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let build = if cfg!(debug_assertions) { "debug" } else { "optimised" };
    let upstream = if args.http1 { "HTTP/1.1" } else { "HTTP/2" };
    println!("conditions");
    println!("  cpu          {} ({cores} cores, shared by load, gateway and service)", cpu_model());
    println!("  build        {build}");
    println!("  request      GET of one warehouse with an Ed25519 token, HTTP/1.1 kept alive");
    println!("  to service   {upstream} (nginx: HTTP/1.1)");
    println!("  connections  {}, each with one request under way", args.connections);
    println!("  rounds       {} of {} s each, in turn", args.rounds, args.seconds);
    println!("  envoy        {}", version("envoy", "--version"));
    println!("  nginx        {}", version("nginx", "-v"));
    println!("\n{:<10} {:>12} {:>9} {:>9}   checks", "", "requests/s", "p50 ms", "p99 ms");
    let mut figures = Map::new();
    for target in targets {
        let took = |quantile| target.tally.took.value_at_quantile(quantile) as f64 / 1000.0;
        let (rate, p50, p99) = (median(&target.rates), took(0.5), took(0.99));
        println!("{:<10} {rate:>12.0} {p50:>9.2} {p99:>9.2}   {}", target.name, target.checks);
        let figure = json!({ "per_s": rate.round(), "p50_ms": p50, "p99_ms": p99 });
        figures.insert(target.name.to_owned(), figure);
    }
    let of = |figures: &Map<String, Value>, name: &str, key: &str| figures[name][key].as_f64();
    for other in ["envoy", "nginx"] {
        if !figures.contains_key(other) {
            continue;
        }
        let ratio = |key: &str| Some(of(&figures, "erp", key)? / of(&figures, other, key)?);
        let (rate, p99) = (ratio("per_s").unwrap_or(0.0), ratio("p99_ms").unwrap_or(0.0));
        println!("erp / {other}: {rate:.2} of its requests/s, {p99:.2} of its p99");
        let ratios = json!({ "per_s": rounded(rate), "p99": rounded(p99) });
        figures.insert(format!("erp_to_{other}"), ratios);
    }
    let (route, bare) = (of(&figures, "route", "per_s"), of(&figures, "bare", "per_s"));
    if let (Some(route), Some(bare)) = (route, bare) {
        println!(
            "a local row costs {:.1} % of the bare handler's requests/s",
            100.0 * (1.0 - route / bare)
        );
        figures.insert("route_to_bare".into(), json!(rounded(route / bare)));
    }
    let errors: u64 = targets.iter().map(|target| target.tally.errors).sum();
    println!("gateway resident after it {rss_mb:.1} MB; {errors} errors");
    figures.insert("rss_mb".into(), json!(rounded(rss_mb)));
    println!("{}", Value::Object(figures));
}

/// Of an even number the lower of the two in the middle.
fn median(rates: &[f64]) -> f64 {
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown cpu".to_owned(), |(_, model)| model.trim().to_owned())
}
