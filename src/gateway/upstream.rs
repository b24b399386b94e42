//! Places a row leads to, and which of them to ask next.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::http::Uri;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use kernel::breaker::Breaker;

/// A process that answers for a module.
pub struct Upstream {
    pub url: String,
    pub http2: bool,
    scheme: Scheme,
    authority: Authority,
    /// What the address has before every path.
    path: String,
    /// Left alone for a while after failures in a row.
    pub breaker: Breaker,
    reachable: AtomicU8,
}

/// What asking it in the background has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reachable {
    Unknown,
    Yes,
    No,
}

impl Upstream {
    /// None where the address is not one; the settings are checked before.
    pub fn new(url: &str, http2: bool) -> Option<Self> {
        let uri = Uri::from_str(url).ok()?;
        Some(Upstream {
            url: url.to_owned(),
            http2,
            scheme: uri.scheme()?.clone(),
            authority: uri.authority()?.clone(),
            path: uri.path().trim_end_matches('/').to_owned(),
            breaker: Breaker::default(),
            reachable: AtomicU8::new(Reachable::Unknown as u8),
        })
    }

    pub fn is_encrypted(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Where a request of this path and query goes.
    pub fn uri(&self, path_and_query: &PathAndQuery) -> Option<Uri> {
        let path_and_query = match self.path.as_str() {
            "" => path_and_query.clone(),
            path => PathAndQuery::from_str(&format!("{path}{path_and_query}")).ok()?,
        };
        let mut parts = hyper::http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path_and_query);
        Uri::from_parts(parts).ok()
    }

    pub fn set_reachable(&self, is_reachable: bool) {
        let reachable = if is_reachable { Reachable::Yes } else { Reachable::No };
        self.reachable.store(reachable as u8, Ordering::Relaxed);
    }

    pub fn reachable(&self) -> Reachable {
        match self.reachable.load(Ordering::Relaxed) {
            1 => Reachable::Yes,
            2 => Reachable::No,
            _ => Reachable::Unknown,
        }
    }
}

/// All that a row leads to, asked in turn.
#[derive(Default)]
pub struct Upstreams {
    all: Vec<Arc<Upstream>>,
    next: AtomicUsize,
}

impl Upstreams {
    pub fn new(all: Vec<Arc<Upstream>>) -> Self {
        Upstreams { all, next: AtomicUsize::new(0) }
    }

    pub fn all(&self) -> &[Arc<Upstream>] {
        &self.all
    }

    /// The next one to ask, if possible not one of those tried. Where none is to be asked
    /// now, how long to wait.
    pub fn pick(&self, tried: &[Arc<Upstream>]) -> Result<Arc<Upstream>, Duration> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let was_tried = |one: &Arc<Upstream>| tried.iter().any(|other| Arc::ptr_eq(one, other));
        let mut wait = Duration::MAX;
        for want_tried in [false, true] {
            for i in 0..self.all.len() {
                let upstream = &self.all[(start.wrapping_add(i)) % self.all.len()];
                if was_tried(upstream) != want_tried {
                    continue;
                }
                match upstream.breaker.admit() {
                    Ok(()) => return Ok(upstream.clone()),
                    Err(left) => wait = wait.min(left),
                }
            }
        }
        Err(if self.all.is_empty() { Duration::from_secs(5) } else { wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams(count: usize) -> Upstreams {
        let all = (0..count).filter_map(|i| Upstream::new(&format!("http://host{i}/base/"), false));
        Upstreams::new(all.map(Arc::new).collect())
    }

    #[test]
    fn each_is_asked_in_turn_and_one_that_fails_is_left_alone() {
        let rows = upstreams(3);
        let urls = |count: usize| -> Vec<String> {
            (0..count).map(|_| rows.pick(&[]).expect("one").url.clone()).collect()
        };
        assert_eq!(
            urls(4),
            [
                "http://host0/base/",
                "http://host1/base/",
                "http://host2/base/",
                "http://host0/base/"
            ]
        );
        (0..5).for_each(|_| rows.all()[1].breaker.failed());
        assert!(!urls(9).contains(&"http://host1/base/".to_owned()));
        // Another than the one that was tried; that one again if there is no other.
        let tried = [rows.all()[0].clone()];
        (0..4).for_each(|_| assert_eq!(rows.pick(&tried).expect("one").url, "http://host2/base/"));
        (0..5).for_each(|_| rows.all()[2].breaker.failed());
        assert_eq!(rows.pick(&tried).expect("one").url, "http://host0/base/");
        (0..5).for_each(|_| rows.all()[0].breaker.failed());
        assert!(rows.pick(&[]).is_err());
        assert!(upstreams(0).pick(&[]).is_err());
    }

    #[test]
    fn what_the_address_has_goes_before_the_path() {
        let uri = |url: &str| {
            let path = PathAndQuery::from_static("/api/v1/orders?limit=1");
            Upstream::new(url, false).and_then(|one| one.uri(&path)).map(|uri| uri.to_string())
        };
        assert_eq!(uri("http://a:1").as_deref(), Some("http://a:1/api/v1/orders?limit=1"));
        assert_eq!(uri("https://a").as_deref(), Some("https://a/api/v1/orders?limit=1"));
        assert_eq!(uri("http://a:1/x/").as_deref(), Some("http://a:1/x/api/v1/orders?limit=1"));
    }
}
