//! Leases: what only one replica may do at a time.
//!
//! A lease is a row in the module's own database, which every replica has to reach anyway
//! and which forgets nothing. Its fence grows with every change of hands: a holder that was
//! asleep for too long finds it changed and can commit nothing under it.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use uuid::Uuid;

use crate::db::{Db, Reader, execute, query_one};
use crate::error::{Error, Result};

/// How long a lease lasts that is not renewed.
pub(crate) const TTL: Duration = Duration::from_secs(5);

/// Somebody who wants to hold a lease.
pub(crate) struct Lease<'a> {
    db: &'a Db,
    name: &'static str,
    holder: Uuid,
}

/// Proof of holding a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    pub(crate) module: &'static str,
    name: &'static str,
    number: i64,
}

#[derive(FromQueryResult)]
struct Number {
    fence: i64,
}

impl<'a> Lease<'a> {
    pub(crate) fn new(db: &'a Db, name: &'static str) -> Self {
        Lease { db, name, holder: Uuid::now_v7() }
    }

    /// Takes the lease or renews it; `None` while another holds it. Time is the database's:
    /// replicas need not agree on it. A SQLite file has one process, which holds everything.
    pub(crate) async fn take(&self) -> Result<Option<Fence>> {
        let fence = |number| Fence { module: self.db.module(), name: self.name, number };
        let Reader::Postgres(pool) = self.db.read() else { return Ok(Some(fence(1))) };
        let sql = format!(
            "INSERT INTO leases (name, holder, fence, expires_at) \
             VALUES ($1, $2, 1, clock_timestamp() + INTERVAL '{ttl} milliseconds') \
             ON CONFLICT (name) DO UPDATE SET holder = $2, \
             fence = leases.fence + CASE WHEN leases.holder = $2 THEN 0 ELSE 1 END, \
             expires_at = clock_timestamp() + INTERVAL '{ttl} milliseconds' \
             WHERE leases.holder = $2 OR leases.expires_at < clock_timestamp() RETURNING fence",
            ttl = TTL.as_millis()
        );
        let values = vec![self.name.into(), self.holder.into()];
        // Beside the pool: however busy that is, the lease is kept.
        let taken: Option<Number> = query_one(pool.aside(), sql, values).await?;
        Ok(taken.map(|taken| fence(taken.fence)))
    }

    /// Lets another have it at once.
    pub(crate) async fn give_back(&self) -> Result<()> {
        let Reader::Postgres(pool) = self.db.read() else { return Ok(()) };
        let sql = "UPDATE leases SET expires_at = '-infinity' WHERE name = $1 AND holder = $2";
        execute(pool.aside(), sql, vec![self.name.into(), self.holder.into()]).await?;
        Ok(())
    }
}

impl Fence {
    /// Refuses the transaction of a holder that is one no more, and keeps others from taking
    /// over before it ends.
    pub(super) async fn check(&self, conn: &impl ConnectionTrait) -> Result<()> {
        if conn.get_database_backend() == DbBackend::Sqlite {
            return Ok(());
        }
        let sql = "SELECT fence FROM leases WHERE name = $1 FOR SHARE";
        match query_one::<Number, _>(conn, sql, vec![self.name.into()]).await? {
            Some(found) if found.fence == self.number => Ok(()),
            _ => Err(Error::unavailable("lease_lost", "another replica has taken over", 1)),
        }
    }
}
