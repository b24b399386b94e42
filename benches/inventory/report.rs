//! What came out, for people and, in the last line, for programs.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::probe::ms;

/// Which way a figure has to differ from what was asked of it.
#[derive(Clone, Copy)]
pub enum Bar {
    Below(f64),
    AtLeast(f64),
}

/// Prints figures as they come, and says at the end which bars were missed.
#[derive(Default)]
pub struct Report {
    missed: Vec<String>,
    figures: Map<String, Value>,
}

impl Report {
    pub fn figure(&mut self, name: &str, figure: f64, unit: &str, bar: Option<Bar>) {
        let (is_met, asked) = match bar {
            Some(Bar::Below(most)) => (figure < most, format!("< {most}")),
            Some(Bar::AtLeast(least)) => (figure >= least, format!(">= {least}")),
            None => (true, String::new()),
        };
        let verdict = match (bar, is_met) {
            (None, _) => "",
            (_, true) => "met",
            (_, false) => "MISSED",
        };
        println!("  {name:<60} {figure:>10.2} {unit:<4} {asked:>9} {verdict}");
        self.figures.insert(name.to_owned(), json!(figure));
        if !is_met {
            self.missed.push(name.to_owned());
        }
    }

    /// The median, which is told, and what 19 of 20 stay below, which has the bar.
    pub fn times(&mut self, name: &str, times: &Histogram<u64>, most_ms: f64) {
        self.figure(&format!("{name}, p50"), ms(times, 0.5), "ms", None);
        self.figure(&format!("{name}, p95"), ms(times, 0.95), "ms", Some(Bar::Below(most_ms)));
    }

    /// Prints the line of figures; returns the names of those that missed their bar.
    pub fn finish(self) -> Vec<String> {
        println!("{}", Value::Object(self.figures));
        self.missed
    }
}

pub fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown cpu".to_owned(), |(_, model)| model.trim().to_owned())
}
