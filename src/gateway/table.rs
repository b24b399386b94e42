//! The table at work: rows with what their requests share, replaced as a whole.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kernel::http::{Gate, Operations};
use kernel::metrics::Metrics;
use kernel::rate::RateLimits;
use kernel::token::TokenVerifier;
use kernel::{Error, Result};

use crate::config::Config;
use crate::gateway::client::Trusted;
use crate::gateway::routes::{Route, Target, Token, begins_with, routes};
use crate::gateway::upstream::{Upstream, Upstreams};
use crate::spec;

/// The way to everything that is not in this process.
pub struct Gateway {
    table: RwLock<Arc<Table>>,
    trusted: Arc<Trusted>,
    verifier: Arc<TokenVerifier>,
    limits: Arc<RateLimits>,
    /// Of each module elsewhere, as they were when this was built.
    operations: BTreeMap<String, Arc<Operations>>,
    metrics: Metrics,
}

/// The rows at one time; a request keeps those it began with.
pub struct Table {
    /// Those that lead elsewhere, the longest prefix first.
    rows: Vec<Arc<Row>>,
}

/// A row that leads to another process.
pub struct Row {
    pub route: Route,
    pub gate: Gate,
    pub upstreams: Upstreams,
    pub timeout: Duration,
    pub idle_timeout: Duration,
    max_waiting: usize,
    waiting: Arc<AtomicUsize>,
}

/// A request that waits for an answer to begin.
pub struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gateway {
    pub fn new(
        config: &Config,
        verifier: Arc<TokenVerifier>,
        limits: Arc<RateLimits>,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let mut operations = BTreeMap::new();
        let is_ours = |route: &&Route| route.token == Token::ByOperation;
        for route in routes(config).iter().filter(is_ours).filter(|r| r.target != Target::Local) {
            let found = Operations::from_spec(&spec::built(&route.module))?;
            operations.insert(route.module.clone(), Arc::new(found));
        }
        let table = RwLock::new(Arc::new(Table { rows: Vec::new() }));
        let trusted = Trusted::new(&config.gateway.tls_root_cert);
        let trusted = trusted.map_err(|why| format!("gateway.tls_root_cert: {why}"))?;
        let trusted = Arc::new(trusted);
        let metrics = metrics.clone();
        let gateway = Gateway { table, trusted, verifier, limits, operations, metrics };
        gateway.load(config);
        Ok(gateway)
    }

    /// Whom upstreams have to have their certificates from.
    pub fn trusted(&self) -> Arc<Trusted> {
        self.trusted.clone()
    }

    /// The table as it is now.
    pub fn table(&self) -> Arc<Table> {
        // Whoever panicked holding it left a whole table behind.
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts the table of these settings in place of the one before. What both lead to keeps
    /// its connections and what is known of its health.
    pub fn load(&self, config: &Config) {
        let old = self.table();
        let mut rows: Vec<Arc<Row>> = routes(config)
            .into_iter()
            .filter(|route| route.target != Target::Local)
            .map(|route| Arc::new(self.row(config, route, &old)))
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.route.prefix.len()));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Table { rows });
    }

    pub fn count_failure(&self, module: &str, kind: &str) {
        let labels = [("module", module), ("kind", kind)];
        let help = "Requests to an upstream that it did not answer.";
        self.metrics.counter("erp_gateway_failures_total", help, &labels).add(1);
    }

    pub fn count_retry(&self, module: &str) {
        let help = "Requests sent to an upstream after another try had failed.";
        self.metrics.counter("erp_gateway_retries_total", help, &[("module", module)]).add(1);
    }

    pub fn count_reload(&self, result: &str) {
        let help = "Changes of the settings, by what became of them.";
        self.metrics.counter("erp_gateway_reloads_total", help, &[("result", result)]).add(1);
    }

    fn row(&self, config: &Config, route: Route, old: &Table) -> Row {
        let find = |url: &String| {
            let known = old.upstreams().find(|one| one.url == *url && one.http2 == route.http2);
            known.cloned().or_else(|| Upstream::new(url, route.http2).map(Arc::new))
        };
        let gate = Gate {
            operations: match route.token {
                Token::ByOperation => self.operations.get(&route.module).cloned(),
                Token::Required | Token::None => None,
            },
            needs_token: route.token == Token::Required,
            counts: route.rate_limit,
            verifier: self.verifier.clone(),
            limits: self.limits.clone(),
        };
        Row {
            gate,
            upstreams: Upstreams::new(route.upstreams.iter().filter_map(find).collect()),
            timeout: Duration::from_secs(route.timeout_s),
            idle_timeout: Duration::from_secs(config.gateway.idle_timeout_s),
            max_waiting: config.gateway.max_waiting,
            waiting: Arc::default(),
            route,
        }
    }
}

impl Table {
    /// The row of a path.
    pub fn find(&self, path: &str) -> Option<&Arc<Row>> {
        self.rows.iter().find(|row| begins_with(path, &row.route.prefix))
    }

    pub fn rows(&self) -> &[Arc<Row>] {
        &self.rows
    }

    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.rows.iter().flat_map(|row| row.upstreams.all())
    }
}

impl Row {
    /// A place among those that wait, for as long as it is held; 503 where there is none.
    pub fn wait(&self) -> Result<Waiting> {
        let waiting = Waiting(self.waiting.clone());
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.max_waiting {
            let detail = format!("too many wait for {} already", self.route.module);
            return Err(Error::unavailable("module_overloaded", detail, 1));
        }
        Ok(waiting)
    }
}
