//! The laws of the module, counted over its live data.

use actix_web::get;
use actix_web::web::Data;
use kernel::Result;
use kernel::db::LawReports;
use kernel::http::{Reply, Routes};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(check_billing_invariants);
}

/// Check invariants
///
/// Counts, over the live data, what breaks each law the module holds. Every count is 0
/// unless something is broken. The hash of every issued document is computed anew.
#[utoipa::path(
    tag = "Invariants",
    responses((status = 200, body = LawReports)),
    extensions(("x-permission" = json!("billing.invariants:read")))
)]
#[get("/invariants")]
async fn check_billing_invariants(service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&service.check_laws().await?))
}
