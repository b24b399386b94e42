//! The same count in the memory of one process.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use crate::rate::Caller;

/// Callers remembered at a time. Should all of them be in debt, all are forgiven: there is
/// no telling who of so many it was.
const MAX_CALLERS: usize = 100_000;

pub(super) struct Local {
    since: Instant,
    /// When each caller has paid, in microseconds.
    paid_at: Mutex<HashMap<Caller, u64>>,
}

impl Default for Local {
    fn default() -> Self {
        Local { since: Instant::now(), paid_at: Mutex::default() }
    }
}

impl Local {
    /// The debt that one more request leads to; it is kept up to `longest_us`.
    pub(super) fn count(&self, caller: Caller, interval_us: u64, longest_us: u64) -> u64 {
        // Half a million years fit.
        self.count_at(self.since.elapsed().as_micros() as u64, caller, interval_us, longest_us)
    }

    fn count_at(&self, now: u64, caller: Caller, interval_us: u64, longest_us: u64) -> u64 {
        // Whoever panicked holding it left a whole map behind.
        let mut callers = self.paid_at.lock().unwrap_or_else(|e| e.into_inner());
        if callers.len() >= MAX_CALLERS && !callers.contains_key(&caller) {
            callers.retain(|_, paid_at| *paid_at > now);
            if callers.len() >= MAX_CALLERS {
                callers.clear();
            }
        }
        let paid_at = callers.entry(caller).or_insert(now);
        let debt = paid_at.saturating_sub(now) + interval_us;
        if debt <= longest_us {
            *paid_at = now + debt;
        }
        debt
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const ADA: Caller = Caller::Address(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn a_burst_is_let_in_and_then_as_many_as_the_rate_allows() {
        let local = Local::default();
        // Ten a second, a burst of three.
        let admitted = |now| local.count_at(now, ADA, 100_000, 300_000) <= 300_000;
        assert_eq!([0, 1, 2, 3].map(admitted), [true, true, true, false]);
        assert!(!admitted(99_999), "refused requests cost nothing and earn nothing");
        assert!(admitted(100_000));
        assert!(!admitted(100_001));
        assert_eq!([10_000_000; 4].map(admitted), [true, true, true, false]);
    }

    #[test]
    fn one_caller_does_not_pay_for_another_and_the_memory_is_bounded() {
        let local = Local::default();
        for i in 0..MAX_CALLERS as u32 + 5 {
            let caller = Caller::Address(IpAddr::V4(i.into()));
            assert_eq!(local.count_at(0, caller, 10, 10), 10);
        }
        assert!(local.paid_at.lock().expect("whole").len() <= MAX_CALLERS);
    }
}
