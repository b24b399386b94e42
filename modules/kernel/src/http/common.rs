//! Operations that every module has, each on its own data. A module says its name as a literal
//! and the type of its service, which has a `db`; what is made is `configure`.

/// Who changed what in this module, and the proof that the log was not changed afterwards.
#[macro_export]
#[rustfmt::skip]
macro_rules! audit_routes {
    ($module:literal, $service:ty) => {
        use actix_web::get;
        use actix_web::web::Data;
        use $crate::db::audit::{self, AuditRow, AuditVerdict, ListAudit, VerifyAudit};
        use $crate::http::{Query, Reply, Routes};
        use $crate::page::Page;
        use $crate::{Ctx, Result};

        pub(super) fn configure(routes: &mut Routes) {
            routes.service(list_audit_log).service(verify_audit_log);
        }

        /// List audit log
        ///
        /// Every change of this module's data: who made it, when, on which request, why, and what
        /// was there before and after. Newest first unless `sort` says otherwise.
        #[utoipa::path(
            operation_id = concat!("list_", $module, "_audit_log"),
            tag = "Audit",
            params(ListAudit),
            responses((status = 200, body = Page<AuditRow>)),
            extensions(("x-permission" = json!(concat!($module, ".audit_log:read"))))
        )]
        #[get("/audit-log")]
        async fn list_audit_log(service: Data<$service>, query: Query<ListAudit>) -> Result<Reply> {
            Ok(Reply::plain(&audit::list(&service.db, query.0).await?))
        }

        /// Verify audit log
        ///
        /// Computes every row's hash anew, from what the row says and the hash before it: one changed
        /// byte shows, and so does a row that is missing in between. Looks at 100 000 rows at most;
        /// go on with `after`.
        #[utoipa::path(
            operation_id = concat!("verify_", $module, "_audit_log"),
            tag = "Audit",
            params(VerifyAudit),
            responses((status = 200, body = AuditVerdict)),
            extensions(("x-permission" = json!(concat!($module, ".audit_log:read"))))
        )]
        #[get("/audit-log/verify")]
        async fn verify_audit_log(
            ctx: Ctx,
            service: Data<$service>,
            query: Query<VerifyAudit>,
        ) -> Result<Reply> {
            Ok(Reply::plain(&audit::verify(&service.db, &ctx, query.0).await?))
        }
    };
}

/// Events that a subscriber refused too often.
#[macro_export]
#[rustfmt::skip]
macro_rules! parked_event_routes {
    ($module:literal, $service:ty) => {
        use actix_web::web::Data;
        use actix_web::{get, post};
        use $crate::events::parked::{self, ParkedEvents};
        use $crate::http::{Path, Reply, Routes};
        use $crate::{Ctx, Result};

        pub(super) fn configure(routes: &mut Routes) {
            routes
                .service(list_parked_events)
                .service(replay_parked_event)
                .service(drop_parked_event);
        }

        /// List parked events
        ///
        /// Events of this module that a subscriber refused too often, the oldest first and at most a
        /// hundred. Each holds back what came after it of the same aggregate.
        #[utoipa::path(
            operation_id = concat!("list_parked_", $module, "_events"),
            tag = "Events",
            responses((status = 200, body = ParkedEvents)),
            extensions(("x-permission" = json!(concat!($module, ".event:read"))))
        )]
        #[get("/parked-events")]
        async fn list_parked_events(service: Data<$service>) -> Result<Reply> {
            Ok(Reply::plain(&parked::list(&service.db).await?))
        }

        /// Replay a parked event
        ///
        /// Has it delivered again, with as many tries as a new one.
        #[utoipa::path(
            operation_id = concat!("replay_parked_", $module, "_event"),
            tag = "Events",
            params(("id" = i64, Path, description = "The delivery, as listed")),
            responses((status = 204)),
            extensions(("x-permission" = json!(concat!($module, ".event:replay"))))
        )]
        #[post("/parked-events/{id}/replay")]
        async fn replay_parked_event(
            service: Data<$service>,
            ctx: Ctx,
            id: Path<i64>,
        ) -> Result<Reply> {
            parked::replay(&service.db, &ctx, *id).await
        }

        /// Drop a parked event
        ///
        /// Gives it up: its subscriber never hears of it, and what waited for it is delivered. What it
        /// would have done there has to be put right by hand.
        #[utoipa::path(
            operation_id = concat!("drop_parked_", $module, "_event"),
            tag = "Events",
            params(("id" = i64, Path, description = "The delivery, as listed")),
            responses((status = 204)),
            extensions(("x-permission" = json!(concat!($module, ".event:drop"))))
        )]
        #[post("/parked-events/{id}/drop")]
        async fn drop_parked_event(
            service: Data<$service>,
            ctx: Ctx,
            id: Path<i64>,
        ) -> Result<Reply> {
            parked::drop(&service.db, &ctx, *id).await
        }
    };
}
