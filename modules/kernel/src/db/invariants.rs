//! The laws a module holds, counted over the live data.

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::query_one;
use crate::error::Result;

/// A law and the query that counts what breaks it.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// As in the domain's list, such as `I-4`.
    pub id: &'static str,
    pub description: &'static str,
    /// Selects one number, `n`: how many rows break the law.
    pub violations: &'static str,
}

/// A law with its count of violations.
#[derive(Debug, Serialize, ToSchema)]
pub struct LawReport {
    #[schema(value_type = String, example = "I-4")]
    pub id: &'static str,
    #[schema(value_type = String)]
    pub description: &'static str,
    /// 0 unless something is broken.
    pub violations: i64,
}

/// Every law a module holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct LawReports {
    pub laws: Vec<LawReport>,
}

#[derive(FromQueryResult)]
struct Violations {
    n: i64,
}

/// What every module holds: its audit chain and its events are whole.
const COMMON: &[Law] = &[
    Law {
        id: "A-5",
        description: "every audit row is chained to the one before it, and none is missing",
        violations: "SELECT COUNT(*) AS n FROM audit_log a \
            LEFT JOIN audit_log b ON b.chain = a.chain AND b.seq = a.seq - 1 \
            WHERE a.prev_hash <> COALESCE(b.hash, '') OR (a.seq > 1 AND b.seq IS NULL)",
    },
    Law {
        id: "E-4",
        description: "every undelivered event exists; none is parked",
        violations: "SELECT COUNT(*) AS n FROM outbox o WHERE o.parked_at IS NOT NULL \
            OR NOT EXISTS (SELECT 1 FROM events e WHERE e.id = o.event_id)",
    },
];

/// Evaluates the module's own laws and the common ones.
pub async fn evaluate(conn: &impl ConnectionTrait, laws: &[Law]) -> Result<LawReports> {
    let mut reports = Vec::with_capacity(laws.len() + COMMON.len());
    for law in laws.iter().chain(COMMON) {
        let found: Option<Violations> = query_one(conn, law.violations, vec![]).await?;
        reports.push(LawReport {
            id: law.id,
            description: law.description,
            violations: found.map_or(0, |violations| violations.n),
        });
    }
    Ok(LawReports { laws: reports })
}
