//! Rows on their way into a table.

use std::collections::BTreeMap;
use std::fmt::{Arguments, Write};

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgCopyIn, PgPool, PgPoolCopyExt, Postgres};

/// Bytes sent at a time.
const CHUNK: usize = 1 << 20;

/// A `COPY` in progress, on a connection of its own.
pub struct Copy {
    table: &'static str,
    text: String,
    sink: PgCopyIn<PoolConnection<Postgres>>,
}

impl Copy {
    pub async fn begin(pool: &PgPool, table: &'static str, columns: &str) -> Result<Copy, String> {
        let statement = format!("COPY {table} ({columns}) FROM STDIN");
        let sink = pool.copy_in_raw(&statement).await.map_err(|e| format!("{table}: {e}"))?;
        Ok(Copy { table, text: String::with_capacity(2 * CHUNK), sink })
    }

    /// A row: its columns, with tabs between, `\N` for none.
    pub fn row(&mut self, columns: Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = self.text.write_fmt(columns);
        self.text.push('\n');
    }

    /// Sends what has gathered, if that is worth it.
    pub async fn flush(&mut self) -> Result<(), String> {
        if self.text.len() < CHUNK {
            return Ok(());
        }
        self.send().await
    }

    pub async fn finish(mut self) -> Result<u64, String> {
        self.send().await?;
        let table = self.table;
        self.sink.finish().await.map_err(|e| format!("{table}: {e}"))
    }

    async fn send(&mut self) -> Result<(), String> {
        let sent = self.sink.send(self.text.as_bytes()).await;
        sent.map_err(|e| format!("{}: {e}", self.table))?;
        self.text.clear();
        Ok(())
    }
}

/// A value, or what stands for none.
pub fn or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| r"\N".to_owned(), |value| value.to_string())
}

/// Numbers of a series that are drawn one after the other.
pub struct Series {
    prefix: &'static str,
    drawn: BTreeMap<i32, u64>,
}

impl Series {
    pub fn new(prefix: &'static str) -> Self {
        Series { prefix, drawn: BTreeMap::new() }
    }

    pub fn next(&mut self, year: i32) -> (String, u64) {
        let last = self.drawn.entry(year).or_default();
        *last += 1;
        (format!("{}-{year}-{last:06}", self.prefix), *last)
    }

    pub fn drawn(&self) -> Vec<(String, u64)> {
        self.drawn.iter().map(|(year, last)| (format!("{}-{year}", self.prefix), *last)).collect()
    }
}

/// Writes how far the series of a module have come.
pub async fn number_series(
    pool: &PgPool,
    table: &'static str,
    drawn: impl IntoIterator<Item = (String, u64)>,
) -> Result<(), String> {
    let mut series = Copy::begin(pool, table, "series, last").await?;
    for (name, last) in drawn {
        series.row(format_args!("{name}\t{last}"));
    }
    series.finish().await.map(drop)
}
