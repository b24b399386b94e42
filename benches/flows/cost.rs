//! What the sales cost the database's server, as it counts itself.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr, FromQueryResult, Statement};

use crate::postgres::Postgres;

/// Statements whose share of the database's time is worth a line.
const TOP: u64 = 12;

/// Figures of all sales together.
pub struct Cost {
    pub statements: i64,
    pub commits: i64,
    /// Syncs of the write-ahead log: of fewer than there are commits, many share one.
    pub fsyncs: i64,
    /// Spent in executing statements; waiting for locks and for the disk is part of it.
    pub executing: Duration,
    pub cpu: Duration,
    /// What took most of it, one line each.
    pub top: Vec<String>,
}

/// Counts from its start.
pub struct Meter<'a> {
    postgres: &'a Postgres,
    conn: DatabaseConnection,
    before: Counters,
    cpu_before: Duration,
}

#[derive(FromQueryResult)]
struct Counters {
    statements: i64,
    commits: i64,
    fsyncs: i64,
    executing_us: i64,
}

#[derive(FromQueryResult)]
struct Top {
    calls: i64,
    total_us: i64,
    query: String,
}

impl<'a> Meter<'a> {
    pub async fn start(postgres: &'a Postgres) -> Result<Meter<'a>, String> {
        let url = postgres.url("postgres");
        let started = async {
            let conn = Database::connect(url).await?;
            conn.execute_unprepared("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
            conn.execute_unprepared("SELECT pg_stat_statements_reset()").await?;
            let before = counters(&conn).await?;
            Ok(Meter { postgres, conn, before, cpu_before: postgres.cpu() })
        };
        started.await.map_err(|error: DbErr| error.to_string())
    }

    pub async fn read(self) -> Result<Cost, String> {
        let cpu = self.postgres.cpu().saturating_sub(self.cpu_before);
        let read = async {
            let now = counters(&self.conn).await?;
            let sql = format!(
                "SELECT calls, (total_exec_time * 1000)::bigint AS total_us, \
                 left(regexp_replace(query, '\\s+', ' ', 'g'), 100) AS query \
                 FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT {TOP}"
            );
            let statement = Statement::from_string(sea_orm::DbBackend::Postgres, sql);
            let top = Top::find_by_statement(statement).all(&self.conn).await?;
            Ok(Cost {
                statements: now.statements - self.before.statements,
                commits: now.commits - self.before.commits,
                fsyncs: now.fsyncs - self.before.fsyncs,
                executing: Duration::from_micros(
                    (now.executing_us - self.before.executing_us).unsigned_abs(),
                ),
                cpu,
                top: top.into_iter().map(line).collect(),
            })
        };
        read.await.map_err(|error: DbErr| error.to_string())
    }
}

async fn counters(conn: &DatabaseConnection) -> Result<Counters, DbErr> {
    let sql = "SELECT (SELECT COALESCE(SUM(calls), 0)::bigint FROM pg_stat_statements) AS statements, \
               (SELECT COALESCE(SUM(total_exec_time * 1000), 0)::bigint FROM pg_stat_statements) \
               AS executing_us, \
               (SELECT SUM(xact_commit)::bigint FROM pg_stat_database) AS commits, \
               (SELECT wal_sync::bigint FROM pg_stat_wal) AS fsyncs";
    let statement = Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    let found = Counters::find_by_statement(statement).one(conn).await?;
    found.ok_or_else(|| DbErr::RecordNotFound("the counters".into()))
}

fn line(top: Top) -> String {
    let each = top.total_us / top.calls.max(1);
    format!("{:>9} ms {:>8} times {each:>7} us  {}", top.total_us / 1000, top.calls, top.query)
}
