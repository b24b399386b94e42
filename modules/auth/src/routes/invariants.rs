//! The laws of the module, counted over its live data.

use actix_web::get;
use actix_web::web::Data;
use kernel::Result;
use kernel::db::{LawReports, evaluate};
use kernel::http::{Reply, Routes};

use crate::service::{Service, laws};

pub(super) fn configure(routes: &mut Routes) {
    routes.service(check_auth_invariants);
}

/// Check invariants
///
/// Counts, over the live data, what breaks each law the module holds. Every count is 0
/// unless something is broken.
#[utoipa::path(
    tag = "Invariants",
    responses((status = 200, body = LawReports)),
    extensions(("x-permission" = json!("auth.invariants:read")))
)]
#[get("/invariants")]
async fn check_auth_invariants(service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&evaluate(service.db.read(), laws::LAWS).await?))
}
