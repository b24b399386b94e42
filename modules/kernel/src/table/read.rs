//! Reading rows of a file that comes piece by piece.

use std::collections::BTreeSet;

use csv::{ByteRecord, ReaderBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::http::read_value;
use crate::table::{Format, unguard};

/// Most bytes of one row.
const MAX_ROW_BYTES: usize = 256 * 1024;

/// A column that a file may have.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub is_required: bool,
}

/// What the cells of a column are to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Bool,
    Json,
}

/// One row by the names of its columns. An empty cell is null.
pub type Cells = Map<String, Value>;

/// A row with its number, as a spreadsheet shows it: the names are row 1 of a CSV file. In
/// NDJSON it is the number of the line.
#[derive(Clone, Debug)]
pub struct Row<T> {
    pub number: i64,
    pub row: T,
}

/// What is wrong with a row, or with the file as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    pub number: i64,
    /// JSON pointer to the column; empty for the row as a whole.
    pub pointer: String,
    pub code: String,
    pub detail: String,
}

impl RowError {
    pub fn new(number: i64, pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        let (pointer, code) = (pointer.to_owned(), code.to_owned());
        RowError { number, pointer, code, detail: detail.into() }
    }

    /// What the refusal of a request says, about row `number`.
    pub fn of(number: i64, error: &Error) -> Self {
        match error.fields().first() {
            Some(field) => RowError::new(number, &field.pointer, &field.code, &field.message),
            None => RowError::new(number, "", error.code(), error.detail()),
        }
    }
}

/// Reads the rows of a file.
pub struct Rows {
    format: Format,
    columns: &'static [Column],
    /// Which column each cell of a row belongs to, once the names are read.
    header: Option<Vec<&'static Column>>,
    rest: Vec<u8>,
    number: i64,
}

impl Rows {
    pub fn new(format: Format, columns: &'static [Column]) -> Self {
        Rows { format, columns, header: None, rest: Vec::new(), number: 0 }
    }

    /// The rows that `piece` completes. An error is of the file, and ends it.
    pub fn push(
        &mut self,
        piece: &[u8],
        is_last: bool,
    ) -> Result<Vec<Result<Row<Cells>, RowError>>, RowError> {
        self.rest.extend_from_slice(piece);
        if self.number == 0 && self.rest.len() >= 3 || is_last {
            // Spreadsheets begin a file with a mark of its encoding.
            if self.number == 0 && self.rest.starts_with(b"\xef\xbb\xbf") {
                self.rest.drain(..3);
            }
        } else if self.number == 0 {
            return Ok(Vec::new());
        }
        let rest = std::mem::take(&mut self.rest);
        let (found, read) = match self.format {
            Format::Csv => self.csv(&rest, is_last)?,
            Format::Ndjson => self.ndjson(&rest, is_last),
        };
        self.rest = rest[read..].to_vec();
        if self.rest.len() > MAX_ROW_BYTES {
            let detail = format!("a row has at most {MAX_ROW_BYTES} bytes; is a quote not closed?");
            return Err(RowError::new(self.number + 1, "", "row_too_long", detail));
        }
        if is_last && self.format == Format::Csv && self.header.is_none() {
            return Err(RowError::new(1, "", "no_header", "the first row names the columns"));
        }
        Ok(found)
    }

    #[allow(clippy::type_complexity, reason = "rows, and how many bytes they took")]
    fn csv(
        &mut self,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<(Vec<Result<Row<Cells>, RowError>>, usize), RowError> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        let (mut found, mut record, mut read) = (Vec::new(), ByteRecord::new(), 0);
        // Bytes in memory: reading them cannot fail, and of any length a row is a row.
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            let end = reader.position().byte() as usize;
            // What ends where the bytes do may go on.
            if end >= bytes.len() && !is_last {
                break;
            }
            read = end.min(bytes.len());
            self.number += 1;
            match &self.header {
                None => self.header = Some(self.names(&record)?),
                Some(_) if record.iter().all(<[u8]>::is_empty) => {}
                Some(header) => found.push(cells(self.number, header, &record)),
            }
        }
        if is_last {
            read = bytes.len();
        }
        Ok((found, read))
    }

    /// The columns that the first row names.
    fn names(&self, record: &ByteRecord) -> Result<Vec<&'static Column>, RowError> {
        let refused = |code, detail: String| RowError::new(1, "", code, detail);
        let mut seen = BTreeSet::new();
        let mut header = Vec::with_capacity(record.len());
        for cell in record {
            let name = String::from_utf8_lossy(cell);
            let name = name.trim();
            let Some(column) = self.columns.iter().find(|column| column.name == name) else {
                let known: Vec<_> = self.columns.iter().map(|column| column.name).collect();
                let hint = match record.len() == 1 && name.contains([';', '\t']) {
                    true => "; columns are separated by commas",
                    false => "",
                };
                let detail = format!("no column {name:?}{hint}; there are {}", known.join(", "));
                return Err(refused("unknown_column", detail));
            };
            if !seen.insert(column.name) {
                return Err(refused("duplicate_column", format!("{name} is named twice")));
            }
            header.push(column);
        }
        let mut required = self.columns.iter().filter(|column| column.is_required);
        match required.find(|column| !seen.contains(column.name)) {
            Some(column) => {
                Err(refused("missing_column", format!("there is no column {}", column.name)))
            }
            None => Ok(header),
        }
    }

    fn ndjson(
        &mut self,
        bytes: &[u8],
        is_last: bool,
    ) -> (Vec<Result<Row<Cells>, RowError>>, usize) {
        let (mut found, mut read) = (Vec::new(), 0);
        loop {
            let rest = &bytes[read..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, taken) = match end {
                Some(end) => (&rest[..end], end + 1),
                None if is_last && !rest.is_empty() => (rest, rest.len()),
                None => return (found, read),
            };
            read += taken;
            self.number += 1;
            let number = self.number;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            found.push(match serde_json::from_slice::<Value>(line) {
                Ok(Value::Object(row)) => Ok(Row { number, row }),
                Ok(_) => Err(RowError::new(number, "", "invalid_body", "a row must be an object")),
                Err(error) => Err(RowError::new(number, "", "malformed_json", error.to_string())),
            });
        }
    }
}

/// A row as the JSON object it stands for.
fn cells(number: i64, header: &[&Column], record: &ByteRecord) -> Result<Row<Cells>, RowError> {
    if record.len() != header.len() {
        let detail = format!("{} cells under {} names", record.len(), header.len());
        return Err(RowError::new(number, "", "wrong_number_of_cells", detail));
    }
    let mut row = Cells::new();
    for (column, cell) in header.iter().zip(record) {
        let Ok(cell) = std::str::from_utf8(cell) else {
            let pointer = format!("/{}", column.name);
            return Err(RowError::new(number, &pointer, "invalid_utf8", "the text is not UTF-8"));
        };
        row.insert(column.name.to_owned(), value(column.kind, cell));
    }
    Ok(Row { number, row })
}

/// What does not fit its column is left as text, and refused as such by who reads the row.
fn value(kind: Kind, cell: &str) -> Value {
    let text = || Value::String(unguard(cell).to_owned());
    match kind {
        _ if cell.is_empty() => Value::Null,
        Kind::Text => text(),
        Kind::Bool if cell.eq_ignore_ascii_case("true") => Value::Bool(true),
        Kind::Bool if cell.eq_ignore_ascii_case("false") => Value::Bool(false),
        Kind::Bool => text(),
        Kind::Number => cell.parse::<i64>().map_or_else(|_| text(), Value::from),
        Kind::Json => serde_json::from_str(cell).unwrap_or_else(|_| text()),
    }
}

impl Row<Cells> {
    /// The row as a type that checks itself.
    pub fn read<T: DeserializeOwned>(self) -> Result<Row<T>, RowError> {
        match read_value(Value::Object(self.row)) {
            Ok(row) => Ok(Row { number: self.number, row }),
            Err(error) => Err(RowError::of(self.number, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column { name: "sku", kind: Kind::Text, is_required: true },
        Column { name: "n", kind: Kind::Number, is_required: false },
        Column { name: "ok", kind: Kind::Bool, is_required: false },
    ];

    /// The rows of `text`, cut into pieces of each length there is.
    fn rows(format: Format, text: &[u8]) -> Vec<Result<(i64, Value), (i64, String)>> {
        let mut all = Vec::new();
        for length in 1..=text.len() {
            let mut rows = Rows::new(format, COLUMNS);
            let mut found = Vec::new();
            let pieces: Vec<_> = text.chunks(length).collect();
            for (i, piece) in pieces.iter().enumerate() {
                match rows.push(piece, i + 1 == pieces.len()) {
                    Ok(some) => found.extend(some.into_iter().map(|row| match row {
                        Ok(row) => Ok((row.number, Value::Object(row.row))),
                        Err(error) => Err((error.number, error.code)),
                    })),
                    Err(error) => {
                        found.push(Err((error.number, error.code)));
                        break;
                    }
                }
            }
            all.push(found);
        }
        assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
        all.remove(0)
    }

    #[test]
    fn a_csv_file_is_read_as_spreadsheets_write_it() {
        use serde_json::json;
        let text = "\u{feff}sku,n,ok\r\nA,1,TRUE\r\n\"two\r\nlines, \"\"quoted\"\"\",,false\r\n,,\r\n'=1,x,";
        assert_eq!(
            rows(Format::Csv, text.as_bytes()),
            [
                Ok((2, json!({ "sku": "A", "n": 1, "ok": true }))),
                Ok((3, json!({ "sku": "two\r\nlines, \"quoted\"", "n": null, "ok": false }))),
                Ok((5, json!({ "sku": "=1", "n": "x", "ok": null }))),
            ]
        );
    }

    #[test]
    fn a_file_with_other_columns_is_refused() {
        let check = |text: &str, code: &str| {
            let found = rows(Format::Csv, text.as_bytes());
            assert_eq!(found, [Err((1, code.to_owned()))], "{text}");
        };
        check("sku;n;ok\nA;1;true\n", "unknown_column");
        check("sku,colour\nA,red\n", "unknown_column");
        check("sku,sku\nA,A\n", "duplicate_column");
        check("n\n1\n", "missing_column");
        check("\n", "no_header");
    }

    #[test]
    fn a_row_that_is_wrong_has_its_number() {
        let text = b"sku,n\nA,1,2\nB\n\xff,1\n";
        let check = |n: i64, code: &str| Err((n, code.to_owned()));
        let cells = "wrong_number_of_cells";
        let expected = [check(2, cells), check(3, cells), check(4, "invalid_utf8")];
        assert_eq!(rows(Format::Csv, text), expected);
        let text = b"{\"sku\":\"A\"}\n\n[1]\n{\n{\"sku\":\"B\"}";
        let found = rows(Format::Ndjson, text);
        assert_eq!(found[1], check(3, "invalid_body"));
        assert_eq!(found[2], check(4, "malformed_json"));
        assert!(found[0].is_ok() && found[3].is_ok() && found.len() == 4, "{found:?}");
    }

    #[test]
    fn a_quote_that_is_not_closed_does_not_swallow_a_file() {
        let mut rows = Rows::new(Format::Csv, COLUMNS);
        rows.push(b"sku\n\"A", false).expect("a header");
        let piece = vec![b'x'; MAX_ROW_BYTES + 1];
        assert_eq!(rows.push(&piece, false).expect_err("too long").code, "row_too_long");
    }
}
