//! Document numbers: a counter row per series.
//!
//! Where the law wants no gap, the number is drawn in the transaction that uses it, and those
//! who issue at the same time wait for each other. All other numbers are drawn beside it, and
//! one whose transaction comes to nothing is not used again.

use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::db::{Reader, Tx, query_one};
use crate::error::{Error, Result};

#[derive(FromQueryResult)]
struct Drawn {
    last: i64,
}

/// The next number of a series without gaps, such as `INV-2026-000123`, and its place in the
/// series. Draw it late: who comes after it waits until this transaction ends.
pub async fn next_gapless_number(
    conn: &impl ConnectionTrait,
    series: &str,
    year: i32,
) -> Result<(String, i64)> {
    let sql = "INSERT INTO number_series (series, last) VALUES ($1, 1) \
               ON CONFLICT (series) DO UPDATE SET last = number_series.last + 1 RETURNING last";
    let drawn: Drawn = query_one(conn, sql, vec![format!("{series}-{year}").into()])
        .await?
        .ok_or_else(|| Error::internal("a number series returned no number"))?;
    Ok((format!("{series}-{year}-{:06}", drawn.last), drawn.last))
}

impl Tx {
    /// The next number of `series` for `year`, such as `SO-2026-000123`.
    pub async fn next_number(&self, series: &str, year: i32) -> Result<String> {
        let drawn = match self.db().read() {
            // SQLite has one writer, which is this transaction.
            Reader::Sqlite(_) => next_gapless_number(&**self, series, year).await?,
            Reader::Postgres(pool) => next_gapless_number(pool.aside(), series, year).await?,
        };
        Ok(drawn.0)
    }
}
