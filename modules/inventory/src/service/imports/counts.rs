//! Rows of what was counted, as lines of one stock count.

use async_trait::async_trait;
use kernel::Error as KernelError;
use kernel::db::Tx;
use kernel::money::UnitPrice;
use kernel::quantity::Quantity;
use kernel::table::{Cells, Column, Kind, Row};
use kernel::text::Code;
use serde::Deserialize;

use super::importer::{Importer, Outcome, Stop, of_line, read, refused};
use super::text_of;
use crate::entities::import;
use crate::error::Error;
use crate::routes::stock_counts::{CountedLine, RecordCounts};
use crate::service::Service;
use crate::service::references::{check_no_kit, products_by_sku};

/// A row of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountRow {
    sku: Code,
    quantity: Quantity,
    unit_cost: Option<UnitPrice>,
}

const COLUMNS: &[Column] = &[
    Column { name: "sku", kind: Kind::Text, is_required: true },
    Column { name: "quantity", kind: Kind::Text, is_required: true },
    Column { name: "unit_cost", kind: Kind::Text, is_required: false },
];

pub(super) struct Counts<'a> {
    pub service: &'a Service,
    pub import: &'a import::Model,
}

#[async_trait]
impl Importer for Counts<'_> {
    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn keys(&self, row: &Cells) -> Vec<(&'static str, String)> {
        vec![("sku", text_of(row, "sku"))]
    }

    fn must_be_tried(&self) -> bool {
        true
    }

    async fn work(
        &self,
        tx: &mut Tx,
        rows: Vec<Row<Cells>>,
        applies: bool,
    ) -> Result<Outcome, Stop> {
        let mut outcome = Outcome::default();
        let rows = read::<CountRow>(rows, &mut outcome.errors);
        let products = products_by_sku(tx, rows.iter().map(|row| row.row.sku.to_string())).await?;
        let (mut numbers, mut lines) = (Vec::new(), Vec::new());
        for Row { number, row } in rows {
            let Some(product) = products.get(&*row.sku) else {
                let unknown = Error::UnknownProduct { pointer: "/sku".into() };
                outcome.errors.push(refused(number, unknown));
                continue;
            };
            if let Err(kit) = check_no_kit(product, "/sku") {
                outcome.errors.push(refused(number, kit));
                continue;
            }
            let (product_id, quantity, unit_cost) = (product.id, row.quantity, row.unit_cost);
            numbers.push(number);
            lines.push(CountedLine { product_id, quantity, unit_cost, lots: Vec::new() });
        }
        outcome.updated = lines.len() as i64;
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
