//! Spares whoever does not answer, and those who would wait for it: after several failures in
//! a row nobody asks for a while, and then one does.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row after which nobody asks.
const THRESHOLD: u32 = 5;
/// How long nobody does, the first time; doubled each time the one who asked failed too.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Counts what became of the calls to one place.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Pauses without an answer in between.
    pauses: u32,
    /// Until then nobody asks; after it the next one does, for all.
    open_until: Option<Instant>,
    is_probing: bool,
}

impl State {
    fn open(&mut self) {
        self.open_until = Some(Instant::now() + pause(self.pauses));
        self.pauses = self.pauses.saturating_add(1);
        self.is_probing = false;
    }
}

impl Breaker {
    /// Whether to ask now; if not, how long to wait.
    pub fn admit(&self) -> Result<(), Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = state.open_until else { return Ok(()) };
        let now = Instant::now();
        if now < until {
            return Err(until - now);
        }
        // Others wait for what becomes of this one, and ask themselves should nothing.
        state.open_until = Some(now + pause(state.pauses));
        state.is_probing = true;
        Ok(())
    }

    /// It answered, whatever it said.
    pub fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// It did not.
    pub fn failed(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        // Of many who asked at once only the first opens it.
        if state.is_probing || (state.open_until.is_none() && state.failures >= THRESHOLD) {
            state.open();
        }
    }
}

fn pause(before: u32) -> Duration {
    (FIRST_PAUSE * 2u32.pow(before.min(16))).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try() {
        let breaker = Breaker::default();
        for _ in 1..THRESHOLD {
            breaker.failed();
        }
        assert!(breaker.admit().is_ok());
        breaker.succeeded();
        for _ in 1..THRESHOLD {
            breaker.failed();
        }
        assert!(breaker.admit().is_ok());
        breaker.failed();
        let wait = breaker.admit().expect_err("open");
        assert!(wait <= FIRST_PAUSE);
        breaker.0.lock().expect("whole").open_until = Some(Instant::now());
        assert!(breaker.admit().is_ok());
        assert!(breaker.admit().is_err());
        breaker.succeeded();
        assert!(breaker.admit().is_ok());
    }

    #[test]
    fn the_pause_grows_with_those_before_and_not_with_those_who_fail_at_once() {
        let breaker = Breaker::default();
        (0..100).for_each(|_| breaker.failed());
        assert!(breaker.admit().expect_err("open") <= FIRST_PAUSE);
        assert_eq!(pause(1), FIRST_PAUSE * 2);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
