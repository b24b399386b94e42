//! Rows as files: CSV for spreadsheets (RFC 4180), NDJSON for programs. How they are read,
//! how they are written, and what a spreadsheet must not take for a formula.

mod read;
mod write;

use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use read::{Cells, Column, Kind, Row, RowError, Rows};
pub use write::{Accept, OneSeries, PageQuery, Series, Tabular, header, lines, stream};

/// How rows are written down
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Format {
    /// A row of names, then a row for each; commas in between
    Csv,
    /// A JSON object a line
    Ndjson,
}

impl Format {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv",
            Format::Ndjson => "application/x-ndjson",
        }
    }

    /// What a file of it is called at the end.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        }
    }

    /// The format of a media type.
    pub fn of(media_type: &str) -> Option<Self> {
        [Format::Csv, Format::Ndjson].into_iter().find(|one| one.media_type() == media_type)
    }
}

/// A text as it stands in a cell. One that a spreadsheet would take for a formula has an
/// apostrophe before it, which [`unguard`] takes away; numbers are left alone.
pub fn guard(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// What stood in a cell before [`guard`].
pub fn unguard(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

/// With any number of apostrophes before it, so that what is guarded twice comes back once.
fn is_formula(text: &str) -> bool {
    let inner = text.trim_start_matches('\'');
    let digits = inner.strip_prefix(['+', '-']).unwrap_or(inner);
    let is_number = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().any(|byte| byte.is_ascii_digit());
    inner.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_formula_is_guarded_and_comes_back() {
        let check = |text: &str, cell: &str| {
            assert_eq!(guard(text), cell);
            assert_eq!(unguard(cell), text);
        };
        check("=1+1", "'=1+1");
        check("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0");
        check("-2+3", "'-2+3");
        check("@SUM(A1)", "'@SUM(A1)");
        check("'=1", "''=1");
        check("''@x", "'''@x");
        check("'tis", "'tis");
        check("-5", "-5");
        check("'-5", "'-5");
        check("-", "'-");
        check("-1.50", "-1.50");
        check("plain, with = inside", "plain, with = inside");
        check("", "");
    }
}
