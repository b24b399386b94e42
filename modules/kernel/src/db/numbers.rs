//! Document numbers: a counter row per series.
//!
//! Where the law wants no gap, the number is drawn in the transaction that uses it, and those
//! who issue at the same time wait for each other. All other numbers are drawn beside it, and
//! one whose transaction comes to nothing is not used again.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};

use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio::sync::Mutex;

use crate::db::postgres::Pool;
use crate::db::{Reader, Tx, query_one};
use crate::error::{Error, Result};

#[derive(FromQueryResult)]
struct Drawn {
    last: i64,
}

/// Draws numbers for those who ask at the same moment with one statement: on the counter's
/// row they would wait for each other's commits.
#[derive(Default)]
pub(super) struct Clerk(std::sync::Mutex<HashMap<String, Arc<Counter>>>);

#[derive(Default)]
struct Counter {
    /// How many ask.
    asking: AtomicI64,
    /// Drawn for some who ask.
    drawn: Mutex<VecDeque<i64>>,
}

/// One who asks, for as long as they do.
struct Asking<'a>(&'a Counter);

impl<'a> Asking<'a> {
    fn of(counter: &'a Counter) -> Self {
        counter.asking.fetch_add(1, Ordering::Relaxed);
        Asking(counter)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Clerk {
    /// The next number of `series`.
    async fn next(&self, pool: &Pool, series: &str) -> Result<i64> {
        let counter = {
            let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match counters.get(series) {
                Some(counter) => counter.clone(),
                None => counters.entry(series.to_owned()).or_default().clone(),
            }
        };
        let asking = Asking::of(&counter);
        let mut drawn = counter.drawn.lock().await;
        if drawn.is_empty() {
            let count = counter.asking.load(Ordering::Relaxed).max(1);
            let last = draw(pool, series, count).await?;
            drawn.extend(last - count + 1..=last);
        }
        drop(asking);
        let number = drawn.pop_front();
        if counter.asking.load(Ordering::Relaxed) == 0 {
            // Of those who gave up asking. A crash of the server could draw them once more.
            drawn.clear();
        }
        number.ok_or_else(|| Error::internal("a number series returned no number"))
    }
}

/// The last of `count` numbers.
async fn draw(conn: &impl ConnectionTrait, series: &str, count: i64) -> Result<i64> {
    let sql = "INSERT INTO number_series (series, last) VALUES ($1, $2) \
               ON CONFLICT (series) DO UPDATE SET last = number_series.last + $2 RETURNING last";
    let drawn: Option<Drawn> = query_one(conn, sql, vec![series.into(), count.into()]).await?;
    let drawn = drawn.ok_or_else(|| Error::internal("a number series returned no number"))?;
    Ok(drawn.last)
}

/// The next number of a series without gaps, such as `INV-2026-000123`, and its place in the
/// series. Draw it late: who comes after it waits until this transaction ends.
pub async fn next_gapless_number(
    conn: &impl ConnectionTrait,
    series: &str,
    year: i32,
) -> Result<(String, i64)> {
    let last = draw(conn, &format!("{series}-{year}"), 1).await?;
    Ok((written(series, year, last), last))
}

impl Tx {
    /// The next number of `series` for `year`, such as `SO-2026-000123`.
    pub async fn next_number(&self, series: &str, year: i32) -> Result<String> {
        match self.db().read() {
            // SQLite has one writer, which is this transaction.
            Reader::Sqlite(_) => Ok(next_gapless_number(&**self, series, year).await?.0),
            Reader::Postgres(pool) => {
                let clerk = &self.db().0.clerk;
                let number = clerk.next(pool.aside(), &format!("{series}-{year}")).await?;
                Ok(written(series, year, number))
            }
        }
    }
}

fn written(series: &str, year: i32, number: i64) -> String {
    format!("{series}-{year}-{number:06}")
}
