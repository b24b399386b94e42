//! `VALUES` lists, so that one statement serves any number of lines.

use sea_orm::{DbBackend, Value};

/// The type of a column of a `VALUES` list; PostgreSQL wants to be told.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    Uuid,
    BigInt,
    Text,
    Timestamp,
    Date,
    Bool,
}

/// Builds `v(a, b) AS (VALUES (..), (..))` and collects its parameters.
#[derive(Debug)]
pub struct Values {
    cte: String,
    values: Vec<Value>,
}

impl Values {
    /// `rows` must not be empty; each has one value a column.
    pub fn new(
        backend: DbBackend,
        name: &str,
        columns: &[(&str, Column)],
        rows: impl IntoIterator<Item = Vec<Value>>,
    ) -> Self {
        let mut values = Vec::new();
        let mut tuples = Vec::new();
        for row in rows {
            let tuple: Vec<_> = row
                .into_iter()
                .zip(columns)
                .map(|(value, (_, column))| {
                    values.push(value);
                    match (backend, column) {
                        (DbBackend::Postgres, Column::Uuid) => format!("${}::uuid", values.len()),
                        (DbBackend::Postgres, Column::BigInt) => {
                            format!("${}::bigint", values.len())
                        }
                        (DbBackend::Postgres, Column::Text) => format!("${}::text", values.len()),
                        (DbBackend::Postgres, Column::Timestamp) => {
                            format!("${}::timestamptz", values.len())
                        }
                        (DbBackend::Postgres, Column::Date) => format!("${}::date", values.len()),
                        (DbBackend::Postgres, Column::Bool) => {
                            format!("${}::boolean", values.len())
                        }
                        _ => format!("${}", values.len()),
                    }
                })
                .collect();
            tuples.push(format!("({})", tuple.join(", ")));
        }
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        Values {
            cte: format!("{name}({}) AS (VALUES {})", names.join(", "), tuples.join(", ")),
            values,
        }
    }

    /// Adds a single parameter and returns its placeholder.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// The whole statement: the `WITH` clause followed by `sql`.
    pub fn statement(self, sql: &str) -> (String, Vec<Value>) {
        (format!("WITH {} {sql}", self.cte), self.values)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn into_parts(self) -> (String, Vec<Value>) {
        (self.cte, self.values)
    }
}
