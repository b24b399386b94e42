//! What came out, for people and, in the last line, for programs.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::lists::Listed;
use crate::probe::ms;
use crate::reports::Laws;

/// What was asked of a figure, and what it is.
pub struct Bar {
    pub name: String,
    pub figure: f64,
    pub most: f64,
    pub unit: &'static str,
}

impl Bar {
    pub fn is_met(&self) -> bool {
        self.figure < self.most
    }
}

/// Gathers lines and bars, and says at the end which bars were missed.
#[derive(Default)]
pub struct Report {
    bars: Vec<Bar>,
    figures: Map<String, Value>,
}

impl Report {
    /// A row of the table, and what it must stay below.
    pub fn times(&mut self, name: &str, times: &Histogram<u64>, most_ms: Option<f64>) {
        let (p50, p95, max) = (ms(times, 0.5), ms(times, 0.95), ms(times, 1.0));
        println!("  {name:<56} {:>6} {p50:>9.2} {p95:>9.2} {max:>9.2}", times.len());
        self.figures.insert(name.to_owned(), json!({ "p50_ms": p50, "p95_ms": p95 }));
        if let Some(most) = most_ms {
            self.bar(format!("{name}, p95"), p95, most, "ms");
        }
    }

    pub fn bar(&mut self, name: String, figure: f64, most: f64, unit: &'static str) {
        self.bars.push(Bar { name, figure, most, unit });
    }

    pub fn lists(&mut self, listed: &[Listed]) {
        println!(
            "\n{:<45} {:>8} {:>9} {:>9} {:>9} {:>10}",
            "list (ms)", "variants", "p50", "p95", "max", "worst p95"
        );
        for list in listed {
            let (p50, p95, max) = (ms(&list.all, 0.5), ms(&list.all, 0.95), ms(&list.all, 1.0));
            println!(
                "  {:<43} {:>8} {p50:>9.2} {p95:>9.2} {max:>9.2} {:>10.2}  {}",
                list.path, list.variants, list.worst.0, list.worst.1
            );
        }
        let worst = listed.iter().map(|list| list.worst.0).fold(0.0, f64::max);
        self.bar("any page of any list, p95".into(), worst, 20.0, "ms");
    }

    pub fn laws(&mut self, counted: &[Laws]) {
        println!("\nlaws");
        for laws in counted {
            println!(
                "  {:<12} {:>3} laws, {} broken, counted in {:.1} s",
                laws.module,
                laws.laws,
                laws.violations.len(),
                laws.took.as_secs_f64()
            );
            for violation in &laws.violations {
                println!("    {violation}");
            }
        }
        let broken: usize = counted.iter().map(|laws| laws.violations.len()).sum();
        self.bar("laws broken".into(), broken as f64, 1.0, "");
    }

    /// Prints the bars and the line of figures; returns the names of the bars missed.
    pub fn finish(mut self) -> Vec<String> {
        println!("\nbars");
        for bar in &self.bars {
            let verdict = if bar.is_met() { "met" } else { "MISSED" };
            println!(
                "  {:<64} {:>9.2} < {:>7} {:<2} {verdict}",
                bar.name, bar.figure, bar.most, bar.unit
            );
            self.figures.insert(bar.name.clone(), json!(bar.figure));
        }
        println!("{}", Value::Object(self.figures));
        self.bars.into_iter().filter(|bar| !bar.is_met()).map(|bar| bar.name).collect()
    }
}

pub fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown cpu".to_owned(), |(_, model)| model.trim().to_owned())
}
