//! What the rows of a file are to the module: one implementation a resource.

use std::collections::BTreeSet;

use async_trait::async_trait;
use kernel::Error as KernelError;
use kernel::db::Tx;
use kernel::table::{Cells, Column, Row, RowError};
use sea_orm::DbErr;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The rules that rows of one resource are brought in by.
#[async_trait]
pub(super) trait Importer: Send + Sync {
    /// The columns a file may have.
    fn columns(&self) -> &'static [Column];

    /// What may be in a file only once, and the column it is of.
    fn keys(&self, row: &Cells) -> Vec<(&'static str, String)>;

    /// The column of what several rows may be of that are brought in together or not at all,
    /// wherever in the file they are.
    fn group(&self) -> Option<&'static str> {
        None
    }

    /// Whether all that can be wrong is found only by doing it.
    fn must_be_tried(&self) -> bool;

    /// Looks at rows and, if it `applies`, brings those in that nothing is wrong with. Those of a
    /// group follow each other, all of them. After a [`Stop`] the transaction is of no use any
    /// more.
    async fn work(
        &self,
        tx: &mut Tx,
        rows: Vec<Row<Cells>>,
        applies: bool,
    ) -> Result<Outcome, Stop>;
}

/// What became of some rows.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub errors: Vec<RowError>,
}

/// Why rows could not be brought in together.
#[derive(Debug)]
pub(super) enum Stop {
    /// For this row.
    Row(RowError),
    /// For one of them, or for nothing they can do about.
    Whole(KernelError),
}

impl From<KernelError> for Stop {
    fn from(error: KernelError) -> Self {
        Stop::Whole(error)
    }
}

impl From<DbErr> for Stop {
    fn from(error: DbErr) -> Self {
        Stop::Whole(error.into())
    }
}

/// The rows as a type that checks itself; of those that do not fit, what is wrong.
pub(super) fn read<T: DeserializeOwned>(
    rows: Vec<Row<Cells>>,
    errors: &mut Vec<RowError>,
) -> Vec<Row<T>> {
    let mut typed = Vec::with_capacity(rows.len());
    for row in rows {
        match row.read() {
            Ok(row) => typed.push(row),
            Err(error) => errors.push(error),
        }
    }
    typed
}

/// What a rule says about row `number`.
pub(super) fn refused(number: i64, error: Error) -> RowError {
    let mut error = RowError::of(number, &error.into());
    error.pointer = column_of(&error.pointer);
    error
}

/// The column of a file that stands for a field of a request.
fn column_of(pointer: &str) -> String {
    let column = match pointer.trim_start_matches('/') {
        "product_id" => "sku",
        "location_id" => "location_code",
        "template_id" => "template_code",
        lot if lot.starts_with("lots") && lot.ends_with("quantity") => "quantity",
        lot if lot.starts_with("lots") && lot.ends_with("expires_on") => "expires_on",
        lot if lot.starts_with("lots") => "lot",
        "" | "lines" => return String::new(),
        other => other,
    };
    format!("/{column}")
}

/// Of rows that are brought in together, and some of which are refused, the others are refused
/// as well. Says whether there are any.
pub(super) fn leave_out(numbers: &[i64], errors: &mut Vec<RowError>) -> bool {
    let numbers: BTreeSet<_> = numbers.iter().copied().collect();
    let wrong: BTreeSet<_> =
        errors.iter().map(|error| error.number).filter(|number| numbers.contains(number)).collect();
    let Some(first) = wrong.first() else { return false };
    let detail = format!("row {first} is wrong, and both are brought in together or not at all");
    let others = numbers.difference(&wrong);
    errors.extend(others.map(|number| RowError::new(*number, "", "other_row_wrong", &*detail)));
    true
}

/// The refusal of a document the lines of which are rows: of the row whose line it points at, or
/// whose lot where each of its lots is one. `numbers` has those of each line.
pub(super) fn of_line(error: KernelError, numbers: &[Vec<i64>]) -> Stop {
    let Some(field) = error.fields().first().filter(|_| error.status() < 500) else {
        return Stop::Whole(error);
    };
    let found = field.pointer.strip_prefix("/lines/").and_then(|rest| {
        let (index, column) = rest.split_once('/').unwrap_or((rest, ""));
        let rows = numbers.get(index.parse::<usize>().ok()?)?;
        let lot = column.strip_prefix("lots/").and_then(|rest| rest.split('/').next());
        let lot = lot.and_then(|index| index.parse::<usize>().ok()).unwrap_or_default();
        Some((*rows.get(lot).or(rows.first())?, column.to_owned()))
    });
    match found {
        Some((number, column)) => {
            Stop::Row(RowError::new(number, &column_of(&column), &field.code, &field.message))
        }
        None => Stop::Whole(error),
    }
}
