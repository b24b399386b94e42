//! What a transaction writes at its end, in as few round trips as may be.

use std::borrow::Cow;

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbBackend, SqlErr, Value};

use crate::db::{Values, execute, insert};
use crate::error::{Error, Result};

/// Parameters of one statement: SQLite takes 32766, PostgreSQL 65535.
pub(super) const MAX_PARAMETERS: usize = 30_000;

/// Rows for one `INSERT` of several.
pub(super) struct Rows {
    width: usize,
    values: Vec<Value>,
}

impl Rows {
    pub(super) fn new(width: usize) -> Self {
        Rows { width, values: Vec::new() }
    }

    pub(super) fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.width);
        self.values.extend(row);
    }
}

/// Statements that go to the database together, in one round trip: whoever waits for this
/// transaction waits that much shorter.
#[derive(Default)]
pub(super) struct Batch {
    inserts: Vec<Insert>,
    conclusion: Option<Conclusion>,
}

/// One `INSERT .. VALUES`, without its tuples.
struct Insert {
    sql: Cow<'static, str>,
    width: usize,
    values: Vec<Value>,
}

/// A statement that has to touch so many rows.
struct Conclusion {
    values: Values,
    sql: String,
    rows: u64,
}

impl Batch {
    /// Adds rows, if there are any; as more than one statement only where one could not
    /// name all parameters.
    pub(super) fn insert(&mut self, sql: &'static str, rows: Rows) {
        let width = rows.width;
        for values in rows.values.chunks(MAX_PARAMETERS / width * width) {
            self.inserts.push(Insert { sql: sql.into(), width, values: values.to_vec() });
        }
    }

    pub(super) fn insert_rows<A: ActiveModelTrait>(
        &mut self,
        rows: impl IntoIterator<Item = A>,
    ) -> Result<()> {
        for (sql, width, values) in insert::statements(rows)? {
            self.inserts.push(Insert { sql: sql.into(), width, values });
        }
        Ok(())
    }

    /// The statement that runs last, and has to touch as many `rows`.
    pub(super) fn conclude(&mut self, values: Values, sql: String, rows: u64) {
        self.conclusion = Some(Conclusion { values, sql, rows });
    }

    pub(super) async fn run(self, conn: &impl ConnectionTrait) -> Result<()> {
        let Batch { inserts, mut conclusion } = self;
        let most = match conn.get_database_backend() {
            DbBackend::Postgres => 2 * MAX_PARAMETERS,
            _ => {
                // A text of several statements tells of the last alone how many rows it touched.
                Self::execute(conn, Vec::new(), conclusion.take()).await?;
                MAX_PARAMETERS
            }
        };
        let mut batch = Vec::new();
        let mut parameters = conclusion.as_ref().map_or(0, |last| last.values.len());
        for insert in inserts {
            parameters += insert.values.len();
            if parameters > most {
                parameters = insert.values.len();
                Self::execute(conn, std::mem::take(&mut batch), conclusion.take()).await?;
            }
            batch.push(insert);
        }
        Self::execute(conn, batch, conclusion).await
    }

    /// As several statements in one text, or, where a text with parameters can only be one,
    /// as parts of one.
    async fn execute(
        conn: &impl ConnectionTrait,
        mut inserts: Vec<Insert>,
        conclusion: Option<Conclusion>,
    ) -> Result<()> {
        let expected = conclusion.as_ref().map(|last| last.rows);
        let (mut parts, last, mut values) = match conclusion {
            Some(last) => {
                let (cte, values) = last.values.into_parts();
                (vec![cte], last.sql, values)
            }
            None => (Vec::new(), String::new(), Vec::new()),
        };
        let texts = inserts.iter_mut().map(|insert| insert.write(&mut values));
        let mut texts: Vec<_> = texts.collect();
        let text = match conn.get_database_backend() {
            DbBackend::Postgres => {
                let last = if expected.is_some() { Some(last) } else { texts.pop() };
                let Some(last) = last else { return Ok(()) };
                let numbered = texts.into_iter().enumerate();
                parts.extend(numbered.map(|(n, text)| format!("part_{n} AS ({text})")));
                match parts.is_empty() {
                    true => last,
                    false => format!("WITH {} {last}", parts.join(", ")),
                }
            }
            _ if expected.is_some() => format!("WITH {} {last}", parts.join(", ")),
            _ if texts.is_empty() => return Ok(()),
            _ => texts.join("; "),
        };
        let touched = execute(conn, text, values).await.map_err(|error| {
            match error.sql_err() {
                // The same request, at the same time: done anew, it finds the answer.
                Some(SqlErr::UniqueConstraintViolation(index))
                    if index.contains("idempotency_keys") =>
                {
                    Error::aborted(error)
                }
                _ => error.into(),
            }
        })?;
        match expected {
            Some(expected) if expected != touched => {
                Err(Error::internal(format!("{touched} rows instead of {expected} were changed")))
            }
            _ => Ok(()),
        }
    }
}

impl Insert {
    /// The statement, its parameters numbered after `values`, to which it adds them.
    fn write(&mut self, values: &mut Vec<Value>) -> String {
        let mut text = String::with_capacity(self.sql.len() + 5 * self.values.len());
        text.push_str(&self.sql);
        for i in 0..self.values.len() {
            let opening = match i {
                0 => "(",
                i if i % self.width == 0 => "), (",
                _ => ", ",
            };
            text.push_str(&format!("{opening}${}", values.len() + i + 1));
        }
        text.push(')');
        values.append(&mut self.values);
        text
    }
}
