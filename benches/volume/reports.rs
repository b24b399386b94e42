//! What reads all of the books, and the laws.

use std::time::Duration;

use chrono::{Days, NaiveDate};
use hdrhistogram::Histogram;

use crate::probe::{Probe, histogram};

const MODULES: [&str; 6] = ["auth", "billing", "inventory", "orders", "purchasing", "sales"];
/// How often each report is asked for.
const TIMES: u64 = 10;

/// The longest any of them may take, in milliseconds.
const MOST: f64 = 1000.0;

/// The reports, each as of now, of a month ago and of half a year ago, and how long each may
/// take. The last has no bar: it costs as much as has come since.
pub fn paths(today: NaiveDate) -> Vec<(String, Option<f64>)> {
    let ago = |days| today.checked_sub_days(Days::new(days)).unwrap_or(today);
    let reports = ["trial-balance", "receivables-ageing", "payables-ageing"];
    reports
        .into_iter()
        .flat_map(|report| {
            let path = format!("/api/v1/billing/{report}");
            [
                (path.clone(), Some(MOST)),
                (format!("{path}?as_of={}", ago(30)), Some(MOST)),
                (format!("{path}?as_of={}", ago(182)), None),
            ]
        })
        .collect()
}

pub async fn times(probe: &mut Probe, path: &str) -> Result<Histogram<u64>, String> {
    let mut times = histogram();
    for _ in 0..TIMES {
        let _ = times.record(probe.get(path).await?.micros);
    }
    Ok(times)
}

/// A module's laws: how many there are, how many rows break them, and how long counting took.
pub struct Laws {
    pub module: &'static str,
    pub laws: usize,
    pub violations: Vec<String>,
    pub took: Duration,
}

pub async fn laws(probe: &mut Probe) -> Result<Vec<Laws>, String> {
    let mut counted = Vec::new();
    for module in MODULES {
        let answer = probe.get(&format!("/api/v1/{module}/invariants")).await?;
        let laws = answer.body["laws"].as_array().cloned().unwrap_or_default();
        let broken = laws.iter().filter(|law| law["violations"] != 0);
        let violations = broken
            .map(|law| format!("{} {}: {}", law["id"], law["description"], law["violations"]));
        counted.push(Laws {
            module,
            laws: laws.len(),
            violations: violations.collect(),
            took: Duration::from_micros(answer.micros),
        });
    }
    Ok(counted)
}
