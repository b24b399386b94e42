//! What came out, for people and, in the last line, for programs.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;

use crate::cost::Cost;
use crate::flow::{Figures, STEPS};
use crate::{Args, Topology};

pub struct Report<'a> {
    pub args: &'a Args,
    pub topology: Topology,
    pub durability: String,
    pub figures: Figures,
    pub elapsed: Duration,
    /// The server's processor time, on all cores.
    pub cpu: Duration,
    pub cost: Option<Cost>,
    /// Of each process.
    pub rss_mb: Vec<(String, f64)>,
    pub idle_rss_mb: Vec<(String, f64)>,
    /// From the start of the process to its first answer, on the data of the whole run.
    pub start: Duration,
    pub binary_mb: f64,
}

impl Report<'_> {
    pub fn flows_per_s(&self) -> f64 {
        self.figures.flows() as f64 / self.elapsed.as_secs_f64()
    }

    /// Prints everything. `books`: the number of laws that hold, or what is wrong.
    pub fn print(&self, books: &Result<usize, String>) {
        let sale = &self.figures.sale;
        let flows_per_s = self.flows_per_s();
        let errors: u64 = self.figures.errors.values().map(|failures| failures.count).sum();
        let cpu_ms_per_flow = in_ms(self.cpu) / self.figures.flows().max(1) as f64;
        self.print_conditions();
        println!("\nwhole sales, from quotation to cash");
        println!("  {} in {:.1} s", self.figures.flows(), self.elapsed.as_secs_f64());
        println!("  {flows_per_s:.1} flows/s");
        println!(
            "  p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
            ms(sale, 0.50),
            ms(sale, 0.95),
            ms(sale, 0.99)
        );
        println!("  {cpu_ms_per_flow:.1} ms of the server's processor time each");
        println!("  {errors} errors");
        for (code, failures) in &self.figures.errors {
            println!("    {:>6} {code}, as in: {}", failures.count, failures.example);
        }
        println!("\n{:<26} {:>10} {:>10}", "step", "p50 ms", "p95 ms");
        for (name, step) in STEPS.iter().zip(&self.figures.steps) {
            println!("  {name:<24} {:>10.2} {:>10.2}", ms(step, 0.50), ms(step, 0.95));
        }
        let quiet = &self.figures.quiet_reads;
        println!(
            "  {:<24} {:>10.2} {:>10.2}  (all clients at once, nobody sells)",
            "read product",
            ms(quiet, 0.50),
            ms(quiet, 0.95)
        );
        if let Some(cost) = &self.cost {
            self.print_cost(cost);
        }
        println!("\nserver (MB of 1 000 000 bytes)");
        for ((name, idle), (_, after)) in self.idle_rss_mb.iter().zip(&self.rss_mb) {
            println!("  {name:<10} resident idle {idle:.1} MB, after it {after:.1} MB");
        }
        println!("  binary             {:.1} MB", self.binary_mb);
        println!("  restart to answer  {:.0} ms", in_ms(self.start));
        match books {
            Ok(laws) => println!("\nbooks: difference 0, {laws} laws, 0 violations"),
            Err(message) => println!("\nbooks: WRONG: {message}"),
        }
        let each = |count: Option<i64>| {
            count.map(|n| rounded(n as f64 / self.figures.flows().max(1) as f64))
        };
        let figures = json!({
            "statements": each(self.cost.as_ref().map(|cost| cost.statements)),
            "commits": each(self.cost.as_ref().map(|cost| cost.commits)),
            "fsyncs": each(self.cost.as_ref().map(|cost| cost.fsyncs)),
            "flows_per_s": rounded(flows_per_s),
            "p50_ms": rounded(ms(sale, 0.50)),
            "p95_ms": rounded(ms(sale, 0.95)),
            "p99_ms": rounded(ms(sale, 0.99)),
            "errors": errors,
            "cpu_ms_per_flow": rounded(cpu_ms_per_flow),
            "rss_mb": rounded(whole(&self.rss_mb)),
            "read_p95_ms": rounded(ms(self.figures.read(), 0.95)),
            "quiet_read_p95_ms": rounded(ms(quiet, 0.95)),
            "idle_rss_mb": rounded(whole(&self.idle_rss_mb)),
            "split": self.topology == Topology::Split,
            "start_ms": rounded(in_ms(self.start)),
            "binary_mb": rounded(self.binary_mb),
        });
        println!("{figures}");
    }

    fn print_cost(&self, cost: &Cost) {
        let flows = self.figures.flows().max(1) as f64;
        // All clients' time: as long as it takes, each of them sells.
        let selling = self.elapsed.as_secs_f64() * f64::from(self.args.clients);
        println!("\ndatabase, each sale");
        println!("  {:.1} statements", cost.statements as f64 / flows);
        println!("  {:.1} commits", cost.commits as f64 / flows);
        println!("  {:.1} syncs of the log", cost.fsyncs as f64 / flows);
        println!("  {:.1} ms of processor time", in_ms(cost.cpu) / flows);
        println!(
            "  {:.1} ms executing statements, {:.0} % of the time a sale takes",
            in_ms(cost.executing) / flows,
            cost.executing.as_secs_f64() / selling * 100.0
        );
        for line in &cost.top {
            println!("  {line}");
        }
    }

    fn print_conditions(&self) {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        println!("conditions");
        println!("  cpu        {} ({cores} cores, shared by server and clients)", cpu_model());
        println!("  database   {:?}, {}", self.args.database, self.durability);
        println!("  clients    {}", self.args.clients);
        println!("  seconds    {}", self.args.seconds);
        println!("  build      {profile}");
        println!(
            "  topology   {}",
            match self.topology {
                Topology::One => "one process",
                Topology::Split => "a gateway and six services over HTTP, each a process",
            }
        );
    }
}

fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

fn whole(each: &[(String, f64)]) -> f64 {
    each.iter().map(|(_, mb)| mb).sum()
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
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
