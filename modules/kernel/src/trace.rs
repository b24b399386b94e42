//! The trace a request belongs to (W3C Trace Context, level 1).

use std::sync::Arc;

use actix_web::http::header::HeaderValue;

/// `traceparent` of a request: what the caller sent, or one made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace(Arc<str>);

impl Trace {
    /// The caller's trace where it is one, as it came; otherwise a new one.
    pub fn of(traceparent: Option<&HeaderValue>) -> Self {
        Trace::kept(traceparent.and_then(|value| value.to_str().ok()))
    }

    /// The same for one kept as text.
    pub fn kept(traceparent: Option<&str>) -> Self {
        traceparent
            .filter(|text| is_traceparent(text))
            .map_or_else(Trace::begin, |text| Trace(text.into()))
    }

    /// A trace that begins here.
    pub fn begin() -> Self {
        // Neither may be zero.
        let (trace, parent) = (rand::random::<u128>().max(1), rand::random::<u64>().max(1));
        Trace(format!("00-{trace:032x}-{parent:016x}-01").into())
    }

    /// As the header has it.
    pub fn traceparent(&self) -> &str {
        &self.0
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }
}

/// `version-trace_id-parent_id-flags`. A version after ours may say more at the end.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_id = |part: &str, len: usize| is_hex(part, len) && part.bytes().any(|b| b != b'0');
    let mut parts = text.splitn(5, '-');
    let (version, trace, parent, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
    version.is_some_and(|v| is_hex(v, 2) && v != "ff" && (v != "00" || parts.next().is_none()))
        && trace.is_some_and(|id| is_id(id, 32))
        && parent.is_some_and(|id| is_id(id, 16))
        && flags.is_some_and(|flags| is_hex(flags, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_kept_as_it_came_and_made_where_there_is_none() {
        let kept = |text: &str| {
            let trace = Trace::of(HeaderValue::from_str(text).ok().as_ref());
            assert!(is_traceparent(trace.traceparent()), "{trace:?}");
            assert_eq!(trace.trace_id().len(), 32);
            trace.traceparent() == text
        };
        assert!(kept("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        assert!(kept("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
        for malformed in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "nonsense",
        ] {
            assert!(!kept(malformed), "{malformed}");
        }
        assert_ne!(Trace::begin(), Trace::begin());
    }
}
