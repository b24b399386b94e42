//! What a module does without being asked: it delivers its events and works by the clock.
//! Of several replicas one does it, the holder of the module's lease; when it dies another
//! takes over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use futures_util::future::{join, join_all};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::ctx::Ctx;
use crate::db::{Db, Fence, Lease, TTL};
use crate::error::Result;
use crate::events::Relay;
use crate::module::{Job, RunJob};

/// How often the lease is asked for, or renewed: often enough that one answer may fail.
const ASK_EVERY: Duration = Duration::from_millis(1500);

/// The shortest wait between two runs of a job.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// How long an answer is kept for a repeat of its request.
pub const ANSWERS_KEPT: TimeDelta = TimeDelta::days(7);
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// The work of one module.
pub struct Background {
    pub db: Db,
    pub relay: Relay,
    pub jobs: Vec<Job>,
    /// How long what is under way may take to end, once told to stop.
    pub patience: Duration,
}

impl Background {
    /// Works until `stop` says true, whenever this process holds the lease.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let lease = Lease::new(&self.db, "background");
        while !*stop.borrow() {
            match lease.take().await {
                Ok(Some(fence)) => {
                    self.db.set_relaying(true);
                    self.work(&lease, fence, &mut stop).await;
                    self.db.set_relaying(false);
                }
                Ok(None) => {}
                Err(error) => warn(&self.db, &error),
            }
            // Whoever worked has heard it already.
            if *stop.borrow() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(ASK_EVERY) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Works until the lease is lost, or until told to stop.
    async fn work(&self, lease: &Lease<'_>, fence: Fence, stop: &mut watch::Receiver<bool>) {
        tracing::debug!(module = self.db.module(), "took the lease");
        let (end, ended) = watch::channel(false);
        let forgetting = forgetting(&self.db);
        let jobs = self.jobs.iter().chain([&forgetting]);
        let jobs = jobs.map(|job| run_job(job, fence, ended.clone()));
        let work = join(self.relay.run(ended.clone()), join_all(jobs));
        let listening = self.db.listen();
        tokio::pin!(work);
        tokio::select! {
            _ = &mut work => {}
            // What is under way is dropped; its transactions are undone.
            () = keep(lease, fence) => warn(&self.db, &"another replica has taken over"),
            () = listening => {}
            _ = stop.changed() => {
                // No receiver is left only if all work has ended already.
                let _ = end.send(true);
                // What takes longer is dropped, and its lease with time: it may be locked still.
                match timeout(self.patience, work).await {
                    Ok(_) => {
                        if let Err(error) = lease.give_back().await {
                            warn(&self.db, &error);
                        }
                    }
                    Err(_) => warn(&self.db, &"what is under way does not end"),
                }
            }
        }
    }
}

/// Renews the lease until it is lost.
async fn keep(lease: &Lease<'_>, fence: Fence) {
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        match lease.take().await {
            Ok(Some(found)) if found == fence => renewed = Instant::now(),
            Ok(_) => return,
            Err(_) if renewed.elapsed() < TTL => {}
            Err(_) => return,
        }
    }
}

/// Forgets answers that nobody asks for any more.
struct ForgetAnswers(Db);

#[async_trait]
impl RunJob for ForgetAnswers {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.forget_answers(ctx, Utc::now() - ANSWERS_KEPT).await.map(drop)
    }
}

/// Every module has it.
fn forgetting(db: &Db) -> Job {
    let run = Arc::new(ForgetAnswers(db.clone()));
    Job { name: "forget_answers", every: FORGET_EVERY, run }
}

async fn run_job(job: &Job, fence: Fence, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = run_once(job, fence).await {
            tracing::error!(job = job.name, error = ?error, "job failed");
        }
        tokio::select! {
            // A setting of 0 must not make it spin.
            () = tokio::time::sleep(job.every.max(SHORTEST_WAIT)) => {}
            _ = stop.changed() => {}
        }
    }
}

async fn run_once(job: &Job, fence: Fence) -> Result<()> {
    let ctx = Ctx { fence: Some(fence), ..Ctx::system(job.name) };
    job.run.run(&ctx).await
}

fn warn(db: &Db, problem: &dyn std::fmt::Debug) {
    tracing::warn!(module = db.module(), problem = ?problem, "does no background work for now");
}
