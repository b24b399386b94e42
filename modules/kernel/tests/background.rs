//! What a module does by the clock, and that it ends when it is told to.

#![allow(clippy::expect_used, reason = "in a test a panic is the finding")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::background::Background;
use kernel::config::EventsConfig;
use kernel::events::{Relay, SubscriberMap};
use kernel::module::{Job, RunJob};
use kernel::{Ctx, Result};
use support::open;
use tokio::sync::{Notify, watch};

/// Says that it has begun, and takes as long as it is told to.
struct Slow(Notify, Duration);

#[async_trait]
impl RunJob for Slow {
    async fn run(&self, _: &Ctx) -> Result<()> {
        self.0.notify_one();
        tokio::time::sleep(self.1).await;
        Ok(())
    }
}

#[tokio::test]
async fn a_job_may_end_when_the_process_stops_but_not_keep_it() {
    for (takes, least, most) in [(300, 200, 2_000), (60_000, 1_000, 3_000)] {
        let (db, _dir) = open(&[]).await;
        let slow = Arc::new(Slow(Notify::new(), Duration::from_millis(takes)));
        let job = Job { name: "slow", every: Duration::from_secs(3600), run: slow.clone() };
        let config = EventsConfig { max_attempts: 1, first_retry_ms: 1, max_retry_ms: 1, batch: 1 };
        let relay = Relay::new(db.clone(), SubscriberMap::new(), config);
        let patience = Duration::from_secs(1);
        let background = Background { db, relay, jobs: vec![job], patience };
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(background.run(stopping));
        slow.0.notified().await;
        let told = Instant::now();
        stop.send(true).expect("somebody listens");
        running.await.expect("it ends");
        let took = told.elapsed().as_millis();
        assert!((least..most).contains(&took), "a job of {takes} ms: ended after {took} ms");
    }
}
