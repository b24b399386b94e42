//! What this process counts, for Prometheus to fetch.

use actix_web::HttpResponse;
use actix_web::web::Data;
use kernel::metrics::Metrics;

/// Mounted at `/metrics` where `telemetry.metrics` says so: figures of a business are not
/// for everybody.
pub async fn figures(metrics: Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(metrics.render())
}
