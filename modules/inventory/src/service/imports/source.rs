//! The rows of a file that came in, read from its pieces as they are needed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use contracts::ids::ImportId;
use kernel::Result;
use kernel::db::{Reader, query_one};
use kernel::table::{Cells, Row, RowError, Rows};
use sea_orm::FromQueryResult;

use super::importer::Importer;
use super::text_of;
use crate::entities::import;

/// Rows of a file some of which belong together: all of them are in memory at once.
const MAX_GATHERED: usize = 100_000;

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
    /// Each row with those that are brought in together with it, in the order of their ends.
    pub groups: Vec<Vec<Row<Cells>>>,
    pub errors: Vec<RowError>,
}

impl Batch {
    fn rows(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    fn len(&self) -> usize {
        self.rows() + self.errors.len()
    }

    /// The number of its last row.
    pub fn last_row(&self) -> i64 {
        let rows = self.groups.iter().map(|group| end(group));
        rows.chain(self.errors.iter().map(|error| error.number)).max().unwrap_or_default()
    }

    /// How many of its groups come to `most` rows; one of them at least.
    fn fitting(&self, most: usize) -> usize {
        let mut rows = 0;
        let fitting = self.groups.iter().take_while(|group| {
            rows += group.len();
            rows <= most
        });
        fitting.count().max(1)
    }

    /// Takes away what comes after its first `count` groups.
    pub fn split_off(&mut self, count: usize) -> Batch {
        let groups = self.groups.split_off(count);
        let first = groups.first().map_or(i64::MAX, |group| end(group));
        let (errors, later) =
            std::mem::take(&mut self.errors).into_iter().partition(|error| error.number < first);
        self.errors = errors;
        Batch { groups, errors: later }
    }
}

/// The number of the last row of a group.
fn end(group: &[Row<Cells>]) -> i64 {
    group.last().map_or(0, |row| row.number)
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

    /// The next rows, `most` of them if there are, more where a group has more; none at the end.
    /// The inner error is of the file as such.
    pub async fn next(
        &mut self,
        conn: &Reader,
        importer: &dyn Importer,
        most: usize,
    ) -> Result<Result<Option<Batch>, RowError>> {
        let group = importer.group();
        while (group.is_some() || self.ready.rows() <= most) && !self.is_over {
            let piece = self.piece(conn).await?;
            self.left -= piece.len() as i64;
            self.next_piece += 1;
            self.is_over = self.left <= 0;
            match self.rows.push(&piece, self.is_over) {
                Ok(rows) => self.take(rows, importer),
                Err(error) => return Ok(Err(error)),
            }
            let Some(column) = group else { continue };
            if self.ready.len() > MAX_GATHERED {
                let detail = format!(
                    "rows of the same {column} are brought in together: such a file has at most \
                     {MAX_GATHERED} rows"
                );
                return Ok(Err(RowError::new(0, "", "too_many_rows", detail)));
            }
            if self.is_over {
                self.gather(column);
            }
        }
        if self.ready.len() == 0 {
            return Ok(Ok(None));
        }
        let fitting = self.ready.fitting(most);
        let rest = match self.ready.groups.len() > fitting {
            true => self.ready.split_off(fitting),
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
                // Of what belongs together it is the last one that tells.
                Ok(row) if row.number > self.after || importer.group().is_some() => {
                    self.ready.groups.push(vec![row]);
                }
                Err(error) if error.number > self.after => self.ready.errors.push(error),
                _ => {}
            }
        }
    }

    /// Puts rows together that have the same in a column. A group is dealt with when its last row
    /// is, so that one number still says how far the work is.
    fn gather(&mut self, column: &str) {
        let mut groups: Vec<Vec<Row<Cells>>> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for row in std::mem::take(&mut self.ready.groups).into_iter().flatten() {
            match known.entry(text_of(&row.row, column)) {
                Entry::Occupied(at) => groups[*at.get()].push(row),
                Entry::Vacant(free) => {
                    free.insert(groups.len());
                    groups.push(vec![row]);
                }
            }
        }
        groups.retain(|group| end(group) > self.after);
        groups.sort_by_key(|group| end(group));
        self.ready.groups = groups;
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
