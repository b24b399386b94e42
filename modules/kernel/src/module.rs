//! What a module hands to the composition root.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::ctx::Ctx;
use crate::db::Db;
use crate::error::Result;
use crate::events::Subscriber;
use crate::http::Routes;

/// A mounted module. Whoever mounts it knows nothing else of it.
#[derive(Clone)]
pub struct Module {
    /// The name in paths, tables of events and permissions.
    pub name: &'static str,
    /// Its data.
    pub db: Db,
    /// Adds its routes, relative to `/api/v1/<name>`.
    pub routes: Arc<dyn Fn(&mut Routes) + Send + Sync>,
    /// Hears the events of the others.
    pub subscriber: Arc<dyn Subscriber>,
    /// Answers the calls of its contract that come over the network.
    pub contract: Arc<dyn ServeContract>,
    /// Work done by the clock.
    pub jobs: Vec<Job>,
}

/// Work done every so often, by one process at a time.
#[derive(Clone)]
pub struct Job {
    pub name: &'static str,
    pub every: Duration,
    pub run: Arc<dyn RunJob>,
}

/// What a job does.
#[async_trait]
pub trait RunJob: Send + Sync {
    async fn run(&self, ctx: &Ctx) -> Result<()>;
}

/// The far end of [`crate::remote::Remote`]: one method by name, JSON in and out.
#[async_trait]
pub trait ServeContract: Send + Sync {
    async fn serve(&self, method: &str, ctx: &Ctx, body: &[u8]) -> Result<Vec<u8>>;
}

/// Everything a module needs that is not its own.
#[derive(Clone)]
pub struct ModuleDeps {
    pub data: crate::config::DataConfig,
    pub sql: crate::config::SqlConfig,
    pub company: crate::config::CompanyConfig,
    pub subscriptions: crate::events::Subscriptions,
    /// Where answers to single reads are kept.
    pub cache: crate::cache::Cache,
    /// Where it counts what an operator watches.
    pub metrics: crate::metrics::Metrics,
}
