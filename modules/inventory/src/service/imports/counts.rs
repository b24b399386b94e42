//! Rows of what was counted, as lines of one stock count: of what was counted by lot a row for
//! each lot. Recording a product replaces what was recorded of it, and what is not named of it is
//! not there. So its rows are brought in together, or none of them is.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::NaiveDate;
use kernel::Error as KernelError;
use kernel::db::Tx;
use kernel::money::UnitPrice;
use kernel::quantity::Quantity;
use kernel::table::{Cells, Column, Kind, Row, RowError};
use kernel::text::{Code, Text};
use serde::Deserialize;

use super::importer::{Importer, Outcome, Stop, leave_out, of_line, read, refused};
use super::text_of;
use crate::entities::{import, product};
use crate::error::Error;
use crate::routes::stock_counts::{CountedLine, CountedLot, RecordCounts};
use crate::service::references::{check_fineness, check_no_kit, products_by_sku};
use crate::service::{MAX_RECEIPT_LINES, Service};

/// A row of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountRow {
    sku: Code,
    lot: Option<Text<1, 64>>,
    expires_on: Option<NaiveDate>,
    /// Nothing: not counted yet.
    quantity: Option<Quantity>,
    unit_cost: Option<UnitPrice>,
}

const fn text(name: &'static str, is_required: bool) -> Column {
    Column { name, kind: Kind::Text, is_required }
}

const COLUMNS: &[Column] = &[
    text("sku", true),
    text("name", false),
    text("lot", false),
    text("expires_on", false),
    text("quantity", true),
    text("unit_cost", false),
    text("counts", false),
    text("book", false),
    text("variance", false),
    text("counted_at", false),
];

/// What an exported file has for people to read, and says nothing when it comes back.
const SHOWN: [&str; 5] = ["name", "counts", "book", "variance", "counted_at"];

pub(super) struct Counts<'a> {
    pub service: &'a Service,
    pub import: &'a import::Model,
}

#[async_trait]
impl Importer for Counts<'_> {
    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    /// Whether a lot is named twice is seen where the rows of its product are together.
    fn keys(&self, _: &Cells) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn group(&self) -> Option<&'static str> {
        Some("sku")
    }

    fn must_be_tried(&self) -> bool {
        true
    }

    async fn work(
        &self,
        tx: &mut Tx,
        mut rows: Vec<Row<Cells>>,
        applies: bool,
    ) -> Result<Outcome, Stop> {
        for row in &mut rows {
            row.row.retain(|name, _| !SHOWN.contains(&name.as_str()));
        }
        let sku = |row: &Row<Cells>| text_of(&row.row, "sku");
        let products = products_by_sku(tx, rows.iter().map(sku)).await?;
        let mut outcome = Outcome::default();
        let (mut numbers, mut lines) = (Vec::new(), Vec::new());
        for rows in rows.chunk_by(|a, b| sku(a) == sku(b)) {
            let all: Vec<_> = rows.iter().map(|row| row.number).collect();
            let mut errors = Vec::new();
            let typed = read::<CountRow>(rows.to_vec(), &mut errors);
            let found = line(&products, typed, &mut errors);
            if leave_out(&all, &mut errors) {
                outcome.errors.append(&mut errors);
                continue;
            }
            match found {
                Some((of_line, line)) => {
                    outcome.updated += all.len() as i64;
                    numbers.push(of_line);
                    lines.push(line);
                }
                None => outcome.unchanged += all.len() as i64,
            }
        }
        if !applies || lines.is_empty() {
            return Ok(outcome);
        }
        let id = self.import.stock_count_id;
        let id = id.ok_or_else(|| KernelError::internal("an import of counts without a count"))?;
        let posted = self.service.post_counts(tx, id, RecordCounts { lines }).await;
        match posted {
            Ok(_) => Ok(outcome),
            Err(error) => Err(of_line(error, &numbers)),
        }
    }
}

/// The line that the rows of a product are, and the numbers of those that are its lots; none if
/// it is not counted yet. What is wrong with rows is added to `errors`.
fn line(
    products: &HashMap<String, product::Model>,
    rows: Vec<Row<CountRow>>,
    errors: &mut Vec<RowError>,
) -> Option<(Vec<i64>, CountedLine)> {
    let (first, sku) = rows.first().map(|row| (row.number, &row.row.sku))?;
    let unknown = || Error::UnknownProduct { pointer: "/sku".into() };
    let known = products.get(&**sku).ok_or_else(unknown).and_then(|product| {
        check_no_kit(product, "/sku")?;
        Ok(product)
    });
    let product = known.map_err(|error| errors.push(refused(first, error))).ok()?;
    if rows.iter().all(|row| row.row.quantity.is_none()) {
        return None;
    }
    let mut line = Line {
        product,
        is_by_lot: rows.iter().any(|row| row.row.lot.is_some()),
        seen: HashMap::new(),
        numbers: Vec::new(),
        quantity: Quantity::ZERO,
        unit_cost: None,
        lots: Vec::new(),
    };
    for Row { number, row } in rows {
        if let Err(error) = line.add(number, row) {
            errors.push(error);
        }
    }
    if line.lots.len() > MAX_RECEIPT_LINES {
        let (most, count) = (MAX_RECEIPT_LINES, line.lots.len());
        errors.push(refused(first, Error::TooManyLines { most, count }));
    }
    let Line { numbers, quantity, unit_cost, lots, .. } = line;
    Some((numbers, CountedLine { product_id: product.id, quantity, unit_cost, lots }))
}

/// What the rows of a product come to.
struct Line<'a> {
    product: &'a product::Model,
    is_by_lot: bool,
    /// Where each lot was met first.
    seen: HashMap<Option<Text<1, 64>>, i64>,
    /// Of the rows that are lots, or of the only one.
    numbers: Vec<i64>,
    quantity: Quantity,
    unit_cost: Option<UnitPrice>,
    lots: Vec<CountedLot>,
}

impl Line<'_> {
    /// Refuses what only a row can be wrong in, and what would be pointed at in another row if
    /// the line were wrong in it.
    fn add(&mut self, number: i64, row: CountRow) -> Result<(), RowError> {
        let wrong = |column: &str, code: &str, detail: String| {
            Err(RowError::new(number, &format!("/{column}"), code, detail))
        };
        let rule = |error: Error| refused(number, error);
        let pointer = || "/quantity".to_owned();
        let Some(quantity) = row.quantity else {
            let detail = "other rows of the product have a quantity".to_owned();
            return wrong("quantity", "missing_field", detail);
        };
        if quantity.is_negative() {
            return Err(rule(Error::QuantityNegative { pointer: pointer() }));
        }
        check_fineness(self.product, quantity, "/quantity").map_err(rule)?;
        let first = *self.seen.entry(row.lot.clone()).or_insert(number);
        if first != number {
            let column = if row.lot.is_some() { "lot" } else { "sku" };
            let detail = format!("rows {first} and {number} say the same");
            return wrong(column, "duplicate_row", detail);
        }
        if row.unit_cost.is_some() && self.unit_cost.is_some() && row.unit_cost != self.unit_cost {
            let detail = "what a product costs is the same in all its rows, or not said".to_owned();
            return wrong("unit_cost", "unit_cost_differs", detail);
        }
        self.unit_cost = self.unit_cost.or(row.unit_cost);
        let too_large = |source| rule(Error::TooLarge { pointer: pointer(), source });
        self.quantity = self.quantity.checked_add(quantity).map_err(too_large)?;
        match row.lot {
            Some(lot) => {
                self.numbers.push(number);
                self.lots.push(CountedLot { number: lot, quantity, expires_on: row.expires_on });
            }
            None if row.expires_on.is_some() => return Err(rule(Error::LotRequired)),
            // That there is nothing of no known lot goes without saying.
            None if self.is_by_lot && quantity.is_zero() => {}
            None if self.is_by_lot => {
                let detail = "other rows of the product are of lots".to_owned();
                return wrong("lot", "lot_required", detail);
            }
            None => self.numbers.push(number),
        }
        Ok(())
    }
}
