//! How many requests a caller may make: the generic cell rate algorithm, counted in Redis
//! for all replicas together, and by this process alone while there is none.
//!
//! A caller's debt grows by one interval with each request and shrinks as time goes by; a
//! request that would make it longer than the burst is refused and costs nothing.

mod address;
mod local;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use deadpool_redis::redis::Script;
use uuid::Uuid;

use crate::config::RateLimitConfig;
use crate::error::Error;
use crate::metrics::{Counter, Metrics};
use crate::rate::address::Network;
use crate::rate::local::Local;
use crate::redis::Redis;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The debt in microseconds that the request would lead to; it is kept if it is within the
/// burst. The clock is Redis's, one for all replicas.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
         local now = time[1] * 1000000 + time[2]
         local paid_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
         local debt = paid_at - now + ARGV[1]
         if debt <= tonumber(ARGV[2]) then
             local at = string.format('%.0f', now + debt)
             redis.call('SET', KEYS[1], at, 'PX', math.ceil(debt / 1000))
         end
         return debt",
    )
});

/// The limits of a process.
pub struct RateLimits {
    anonymous: Option<Arc<Policy>>,
    user: Option<Arc<Policy>>,
    /// Of API keys, by their rate: there are a few.
    keys: Mutex<HashMap<u32, Arc<Policy>>>,
    metrics: Metrics,
    trusted_proxies: Vec<Network>,
    gateways: Vec<Network>,
    redis: Option<Redis>,
    local: Local,
}

/// Who makes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Somebody at this address (of a network, for IPv6) who has not said who they are.
    Address(IpAddr),
    User(Uuid),
    /// An API key, and the requests a second it may make.
    Key(Uuid, u32),
}

struct Policy {
    name: &'static str,
    /// Between two requests of a steady caller.
    interval_us: u64,
    burst: u64,
    /// As the header tells it.
    header: HeaderValue,
    refused: Counter,
}

/// What became of one request.
#[derive(Debug)]
pub struct Verdict {
    policy: Arc<Policy>,
    debt_us: u64,
}

impl RateLimits {
    /// As the settings say; an error names what cannot be read.
    pub fn new(
        config: &RateLimitConfig,
        redis: Option<Redis>,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let policy = |name, per_s, burst| Policy::new(name, per_s, burst, metrics);
        let networks = |texts: &[String]| -> Result<Vec<Network>, String> {
            texts.iter().map(|text| text.parse()).collect()
        };
        let gateways = networks(&config.gateways)?;
        let mut trusted_proxies = networks(&config.trusted_proxies)?;
        trusted_proxies.extend(&gateways);
        Ok(RateLimits {
            anonymous: policy("anonymous", config.anonymous_per_s, config.anonymous_burst),
            user: policy("user", config.user_per_s, config.user_burst),
            keys: Mutex::default(),
            metrics: metrics.clone(),
            trusted_proxies,
            gateways,
            redis,
            local: Local::default(),
        })
    }

    /// Whether whoever sent the request here has counted it.
    pub fn is_counted(&self, request: &HttpRequest) -> bool {
        peer(request).is_some_and(|peer| self.gateways.iter().any(|net| net.contains(peer)))
    }

    /// Whether what the request says of the way it came is to be believed.
    pub fn trusts(&self, request: &HttpRequest) -> bool {
        peer(request).is_some_and(|peer| self.trusted_proxies.iter().any(|net| net.contains(peer)))
    }

    /// Counts one request; nothing where its caller has no limit.
    pub(crate) async fn count(&self, caller: Caller) -> Option<Verdict> {
        let policy = match caller {
            Caller::Address(_) => self.anonymous.clone()?,
            Caller::User(_) => self.user.clone()?,
            Caller::Key(_, per_s) => self.of_key(per_s)?,
        };
        let debt_us = match self.count_shared(&policy, caller).await {
            Some(debt_us) => debt_us,
            None => self.local.count(caller, policy.interval_us, policy.longest_debt_us()),
        };
        let verdict = Verdict { policy, debt_us };
        if !verdict.is_admitted() {
            verdict.policy.refused.add(1);
        }
        Some(verdict)
    }

    /// The address a request came from, as far as it can be believed.
    pub(crate) fn address(&self, request: &HttpRequest) -> Caller {
        Caller::Address(self.client_address(request))
    }

    /// The same by itself; of an IPv6 address its network.
    pub fn client_address(&self, request: &HttpRequest) -> IpAddr {
        let forwarded = request.headers().get_all("x-forwarded-for");
        let forwarded = forwarded.filter_map(|value| value.to_str().ok());
        // A connection has a peer; a request of a test may have none.
        let peer = peer(request).unwrap_or(IpAddr::from([0, 0, 0, 0]));
        address::client(peer, forwarded, &self.trusted_proxies)
    }

    /// A key may make two seconds' worth of requests at once.
    fn of_key(&self, per_s: u32) -> Option<Arc<Policy>> {
        // Whoever panicked holding it left a whole map behind.
        let mut keys = self.keys.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(policy) = keys.get(&per_s) {
            return Some(policy.clone());
        }
        let policy = Policy::new("key", per_s, per_s.saturating_mul(2), &self.metrics)?;
        keys.insert(per_s, policy.clone());
        Some(policy)
    }

    async fn count_shared(&self, policy: &Policy, caller: Caller) -> Option<u64> {
        let redis = self.redis.as_ref().filter(|redis| redis.is_up())?;
        let key = match caller {
            Caller::Address(address) => redis.key(&format!("rate:address:{address}")),
            Caller::User(id) => redis.key(&format!("rate:user:{id}")),
            Caller::Key(id, _) => redis.key(&format!("rate:key:{id}")),
        };
        let mut script = COUNT.prepare_invoke();
        script.key(key).arg(policy.interval_us).arg(policy.longest_debt_us());
        redis.run_script(&script).await.ok()
    }
}

fn peer(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip())
}

/// Whether this can be a trusted proxy; an error in words.
pub fn check_proxy(text: &str) -> Result<(), String> {
    text.parse::<Network>().map(drop)
}

impl Policy {
    fn new(name: &'static str, per_s: u32, burst: u32, metrics: &Metrics) -> Option<Arc<Self>> {
        if per_s == 0 {
            return None;
        }
        let interval_us = (1_000_000 / u64::from(per_s)).max(1);
        let burst = u64::from(burst.max(1));
        let window_s = (burst * interval_us).div_ceil(1_000_000);
        let header = format!("\"{name}\";q={burst};w={window_s}");
        let refused = metrics.counter(
            "erp_rate_limited_total",
            "Requests refused because their caller made too many.",
            &[("policy", name)],
        );
        // A name of ours and two numbers are always a header.
        HeaderValue::from_str(&header)
            .ok()
            .map(|header| Arc::new(Policy { name, interval_us, burst, header, refused }))
    }

    fn longest_debt_us(&self) -> u64 {
        self.burst * self.interval_us
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Verdict {
    fn is_admitted(&self) -> bool {
        self.debt_us <= self.policy.longest_debt_us()
    }

    /// 429 where it was one too many.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_admitted() {
            return Ok(());
        }
        let wait = Duration::from_micros(self.debt_us - self.policy.longest_debt_us());
        let wait_s = wait.as_millis().div_ceil(1000).max(1);
        let error = Error::new(429, "rate_limited", "too many requests; wait a little");
        Err(error.with_retry_after(u32::try_from(wait_s).unwrap_or(u32::MAX)))
    }

    /// Tells the caller where they stand, as draft-ietf-httpapi-ratelimit-headers-10 has it:
    /// requests left of the burst, and seconds until it is whole again.
    pub fn write(&self, headers: &mut HeaderMap) {
        let left_us = self.policy.longest_debt_us().saturating_sub(self.debt_us);
        // Refused, a request added nothing to the debt.
        let debt_us = self.debt_us.min(self.policy.longest_debt_us());
        let left = if self.is_admitted() { left_us / self.policy.interval_us } else { 0 };
        let reset_s = debt_us.div_ceil(1_000_000);
        let text = format!("\"{}\";r={left};t={reset_s}", self.policy.name);
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(RATE_LIMIT, value);
            headers.insert(RATE_LIMIT_POLICY, self.policy.header.clone());
        }
    }
}
