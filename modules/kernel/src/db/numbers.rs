//! Document numbers: a counter row per series, drawn in the transaction that uses the
//! number, so that a rollback leaves no gap.

use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::db::query_one;
use crate::error::{Error, Result};

#[derive(FromQueryResult)]
struct Drawn {
    last: i64,
}

/// The next number of `series` for `year`, such as `SO-2026-000123`.
pub async fn next_number(
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
