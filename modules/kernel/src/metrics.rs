//! Figures an operator watches, in the text form Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The figures of this process; cheap to clone. One is made where it is counted:
///
/// ```
/// # let metrics = kernel::metrics::Metrics::default();
/// let retried = metrics.counter("erp_retries_total", "What was tried again.", &[("module", "orders")]);
/// retried.add(1);
/// ```
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<&'static str, Family>>>);

/// All figures of one name.
struct Family {
    kind: &'static str,
    help: &'static str,
    by_labels: BTreeMap<String, Arc<AtomicU64>>,
}

/// A figure that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A figure that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Metrics {
    /// The counter of this name and these labels; asked for again, the same. A name begins
    /// with `erp_` and ends in `_total`.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
    ) -> Counter {
        Counter(self.figure("counter", name, help, labels))
    }

    /// The gauge of this name and these labels.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Gauge {
        Gauge(self.figure("gauge", name, help, labels))
    }

    /// All of them, as `text/plain; version=0.0.4`.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, family) in self.families().iter() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {}", family.help);
            let _ = writeln!(text, "# TYPE {name} {}", family.kind);
            for (labels, figure) in &family.by_labels {
                let _ = writeln!(text, "{name}{labels} {}", figure.load(Ordering::Relaxed));
            }
        }
        text
    }

    fn figure(
        &self,
        kind: &'static str,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
    ) -> Arc<AtomicU64> {
        // Our own names: nothing in them needs escaping.
        let labels: Vec<_> =
            labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        let mut families = self.families();
        let family = families.entry(name).or_insert_with(|| Family {
            kind,
            help,
            by_labels: BTreeMap::new(),
        });
        family.by_labels.entry(labels).or_default().clone()
    }

    fn families(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        // Whoever panicked holding it left a whole map behind.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_by_name_and_labels() {
        let metrics = Metrics::default();
        let hits = |module| metrics.counter("erp_hits_total", "Hits.", &[("module", module)]);
        hits("orders").add(2);
        hits("orders").add(1);
        hits("sales").add(1);
        metrics.gauge("erp_up", "Whether it is up.", &[]).set(1);
        let expected = "# HELP erp_hits_total Hits.\n# TYPE erp_hits_total counter\n\
            erp_hits_total{module=\"orders\"} 3\nerp_hits_total{module=\"sales\"} 1\n\
            # HELP erp_up Whether it is up.\n# TYPE erp_up gauge\nerp_up 1\n";
        assert_eq!(metrics.render(), expected);
    }
}
