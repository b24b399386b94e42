//! Who changed what in this module, and the proof that the log was not changed afterwards.

use actix_web::get;
use actix_web::web::Data;
use kernel::db::audit::{self, AuditRow, AuditVerdict, ListAudit, VerifyAudit};
use kernel::http::{Query, Reply, Routes};
use kernel::page::Page;
use kernel::{Ctx, Result};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_billing_audit_log).service(verify_billing_audit_log);
}

/// List audit log
///
/// Every change of this module's data: who made it, when, on which request, why, and what
/// was there before and after. Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Audit",
    params(ListAudit),
    responses((status = 200, body = Page<AuditRow>)),
    extensions(("x-permission" = json!("billing.audit_log:read")))
)]
#[get("/audit-log")]
async fn list_billing_audit_log(service: Data<Service>, query: Query<ListAudit>) -> Result<Reply> {
    Ok(Reply::plain(&audit::list(&service.db, query.0).await?))
}

/// Verify audit log
///
/// Computes every row's hash anew, from what the row says and the hash before it: one changed
/// byte shows, and so does a row that is missing in between. Looks at 100 000 rows at most;
/// go on with `after`.
#[utoipa::path(
    tag = "Audit",
    params(VerifyAudit),
    responses((status = 200, body = AuditVerdict)),
    extensions(("x-permission" = json!("billing.audit_log:read")))
)]
#[get("/audit-log/verify")]
async fn verify_billing_audit_log(
    ctx: Ctx,
    service: Data<Service>,
    query: Query<VerifyAudit>,
) -> Result<Reply> {
    Ok(Reply::plain(&audit::verify(&service.db, &ctx, query.0).await?))
}
