//! What the rows of a file are to the module: one implementation a resource.

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

    /// Whether all that can be wrong is found only by doing it.
    fn must_be_tried(&self) -> bool;

    /// Looks at rows and, if it `applies`, brings those in that nothing is wrong with. After a
    /// [`Stop`] the transaction is of no use any more.
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
        "" => return String::new(),
        other => other,
    };
    format!("/{column}")
}

/// The refusal of a document the lines of which are rows: of the row whose line it points at.
pub(super) fn of_line(error: KernelError, numbers: &[i64]) -> Stop {
    let Some(field) = error.fields().first().filter(|_| error.status() < 500) else {
        return Stop::Whole(error);
    };
    let found = field.pointer.strip_prefix("/lines/").and_then(|rest| {
        let (index, column) = rest.split_once('/').unwrap_or((rest, ""));
        Some((*numbers.get(index.parse::<usize>().ok()?)?, column.to_owned()))
    });
    match found {
        Some((number, column)) => {
            Stop::Row(RowError::new(number, &column_of(&column), &field.code, &field.message))
        }
        None => Stop::Whole(error),
    }
}
