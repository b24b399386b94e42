//! The rows of a file that came in, read from its pieces as they are needed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use contracts::ids::ImportId;
use kernel::Result;
use kernel::db::{Reader, query_one};
use kernel::table::{Cells, Row, RowError, Rows};
use sea_orm::FromQueryResult;

use super::importer::Importer;
use crate::entities::import;

#[derive(FromQueryResult)]
struct Piece {
    bytes: Vec<u8>,
}

/// Where rows come from.
pub(super) struct Source {
    import_id: ImportId,
    rows: Rows,
    next_piece: i64,
    /// Bytes of the file that are still to come.
    left: i64,
    /// Rows up to this one are dealt with.
    after: i64,
    ready: Batch,
    is_over: bool,
    /// Where each key was met first. As large as the file at most, which is limited.
    seen: HashMap<(&'static str, String), i64>,
}

/// Some rows of a file, and what is wrong with those that cannot be read.
#[derive(Default)]
pub(super) struct Batch {
    pub rows: Vec<Row<Cells>>,
    pub errors: Vec<RowError>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.rows.len() + self.errors.len()
    }

    /// The number of its last row.
    pub fn last_row(&self) -> i64 {
        let rows = self.rows.iter().map(|row| row.number);
        rows.chain(self.errors.iter().map(|error| error.number)).max().unwrap_or_default()
    }

    /// Takes away what comes after its first `count` rows.
    pub fn split_off(&mut self, count: usize) -> Batch {
        let rows = self.rows.split_off(count);
        let first = rows.first().map_or(i64::MAX, |row| row.number);
        let (errors, later) =
            std::mem::take(&mut self.errors).into_iter().partition(|error| error.number < first);
        self.errors = errors;
        Batch { rows, errors: later }
    }
}

impl Source {
    /// The rows after `after`.
    pub fn new(import: &import::Model, importer: &dyn Importer, after: i64) -> Self {
        Source {
            import_id: import.id,
            rows: Rows::new(import.format, importer.columns()),
            next_piece: 0,
            left: import.bytes,
            after,
            ready: Batch::default(),
            is_over: false,
            seen: HashMap::new(),
        }
    }

    /// The next rows, `most` of them if there are; none at the end. The inner error is of the
    /// file as such.
    pub async fn next(
        &mut self,
        conn: &Reader,
        importer: &dyn Importer,
        most: usize,
    ) -> Result<Result<Option<Batch>, RowError>> {
        while self.ready.rows.len() <= most && !self.is_over {
            let piece = self.piece(conn).await?;
            self.left -= piece.len() as i64;
            self.next_piece += 1;
            self.is_over = self.left <= 0;
            match self.rows.push(&piece, self.is_over) {
                Ok(rows) => self.take(rows, importer),
                Err(error) => return Ok(Err(error)),
            }
        }
        if self.ready.len() == 0 {
            return Ok(Ok(None));
        }
        let rest = match self.ready.rows.len() > most {
            true => self.ready.split_off(most),
            false => Batch::default(),
        };
        Ok(Ok(Some(std::mem::replace(&mut self.ready, rest))))
    }

    async fn piece(&self, conn: &Reader) -> Result<Vec<u8>> {
        if self.left <= 0 {
            return Ok(Vec::new());
        }
        let sql = "SELECT bytes FROM import_pieces WHERE import_id = $1 AND position = $2";
        let values = vec![self.import_id.into(), self.next_piece.into()];
        let piece: Option<Piece> = query_one(conn, sql, values).await?;
        // Gone if, and only if, somebody has cancelled the import.
        let piece =
            piece.ok_or_else(|| kernel::Error::conflict("cancelled", "the file is gone"))?;
        Ok(piece.bytes)
    }

    fn take(&mut self, rows: Vec<Result<Row<Cells>, RowError>>, importer: &dyn Importer) {
        for row in rows {
            let row = row.and_then(|row| self.check_once(row, importer));
            match row {
                Ok(row) if row.number > self.after => self.ready.rows.push(row),
                Err(error) if error.number > self.after => self.ready.errors.push(error),
                _ => {}
            }
        }
    }

    /// Refuses a row that says again what one before it did.
    fn check_once(
        &mut self,
        row: Row<Cells>,
        importer: &dyn Importer,
    ) -> Result<Row<Cells>, RowError> {
        for (column, key) in importer.keys(&row.row) {
            match self.seen.entry((column, key)) {
                Entry::Vacant(free) => {
                    free.insert(row.number);
                }
                Entry::Occupied(first) => {
                    let (first, number) = (*first.get(), row.number);
                    let pointer = match column {
                        "" => String::new(),
                        column => format!("/{column}"),
                    };
                    let detail = match column {
                        "" => format!(
                            "rows {first} and {number} are of the same goods in the same place: \
                             put them into one"
                        ),
                        _ => format!("rows {first} and {number} say the same"),
                    };
                    return Err(RowError::new(number, &pointer, "duplicate_row", detail));
                }
            }
        }
        Ok(row)
    }
}
