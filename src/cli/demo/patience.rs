//! Waiting for what follows an event, which takes a moment.

use std::time::{Duration, Instant};

/// Longest wait for it.
pub(super) const EFFECT_DEADLINE: Duration = Duration::from_secs(10);

/// Waits longer each time, up to [`EFFECT_DEADLINE`] in all.
pub(super) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Patience { deadline: Instant::now() + EFFECT_DEADLINE, pause: Duration::from_millis(5) }
    }

    /// Waits a moment; says no, at once, when the time is up.
    pub(super) async fn pause(&mut self) -> bool {
        if Instant::now() > self.deadline {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(200));
        true
    }
}
