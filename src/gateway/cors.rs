//! Web pages from elsewhere that may call the API (Cross-Origin Resource Sharing).

use actix_cors::Cors;
use actix_web::middleware::Condition;

use crate::config::CorsConfig;

/// What a page may read of an answer beside its body.
const EXPOSED: [&str; 8] = [
    "etag",
    "idempotent-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

/// What a page may ask with: there is nothing else here.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// Answers a browser's question before the request itself, and marks the answers that a page
/// may read. Credentials are no part of it: the token is a header the page sets.
pub fn cors(config: &CorsConfig) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods(METHODS)
        .allow_any_header()
        .expose_headers(EXPOSED)
        .max_age(config.max_age_s);
    let cors = config.origins.iter().fold(cors, |cors, origin| match origin.as_str() {
        "*" => cors.allow_any_origin().send_wildcard(),
        origin => cors.allowed_origin(origin),
    });
    Condition::new(!config.origins.is_empty(), cors)
}
