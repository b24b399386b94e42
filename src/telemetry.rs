//! Logs to stdout, for people or for machines.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, TelemetryConfig};

/// Sets up the process's log. A second call does nothing.
pub fn init(config: &TelemetryConfig) {
    let filter = EnvFilter::new(&config.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    // An error means a log is set up already, as in tests that start several servers.
    let _ = match config.format {
        LogFormat::Pretty => builder.compact().with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// The span of a request. What it was and what came of it is logged once, at its end, by
/// [`kernel::http::request_scope`].
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        tracing::info_span!(
            "request",
            request.id = tracing::field::Empty,
            http.method = %request.method(),
            http.path = %request.path(),
        )
    }

    fn on_request_end<B: actix_web::body::MessageBody>(
        _: Span,
        _: &Result<ServiceResponse<B>, actix_web::Error>,
    ) {
    }
}
