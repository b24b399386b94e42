//! Black-box tests of sales.

mod customers;
mod facts;
mod prices;
mod quotations;

use crate::harness::Server;

/// Asserts that no law of sales is broken.
async fn assert_laws(server: &Server) {
    server.settle().await;
    let report = server.api.get("/api/v1/sales/invariants").await.ok();
    for law in report["laws"].as_array().expect("laws") {
        assert_eq!(law["violations"], 0, "{law}");
    }
}
