//! Rows of stock that is taken in, as receipts: one for each warehouse of a step.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::NaiveDate;
use contracts::ids::{LocationId, WarehouseId};
use kernel::db::Tx;
use kernel::money::UnitPrice;
use kernel::quantity::PositiveQuantity;
use kernel::table::{Cells, Column, Kind, Row};
use kernel::text::{Code, Note, Text};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Deserialize;

use super::importer::{Importer, Outcome, Stop, of_line, read, refused};
use super::text_of;
use crate::entities::{import, location, product, warehouse};
use crate::error::Error;
use crate::routes::lots::NewLotQuantity;
use crate::routes::receipts::{NewStockReceipt, NewStockReceiptLine};
use crate::service::Service;
use crate::service::levels::{Key, Levels};
use crate::service::references::{check_fineness, check_no_kit, products_by_sku};
use crate::service::stock_receipts::check_receivable;

/// A row of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StockRow {
    sku: Code,
    warehouse_code: Code,
    quantity: PositiveQuantity,
    unit_cost: UnitPrice,
    location_code: Option<Code>,
    lot: Option<Text<1, 64>>,
    expires_on: Option<NaiveDate>,
}

const fn text(name: &'static str, is_required: bool) -> Column {
    Column { name, kind: Kind::Text, is_required }
}

const COLUMNS: &[Column] = &[
    text("sku", true),
    text("warehouse_code", true),
    text("quantity", true),
    text("unit_cost", true),
    text("location_code", false),
    text("lot", false),
    text("expires_on", false),
];

pub(super) struct Stock<'a> {
    pub service: &'a Service,
    pub import: &'a import::Model,
}

/// What the rows name.
struct Facts {
    products: HashMap<String, product::Model>,
    warehouses: HashMap<String, warehouse::Model>,
    locations: HashMap<(WarehouseId, String), LocationId>,
}

#[async_trait]
impl Importer for Stock<'_> {
    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn keys(&self, row: &Cells) -> Vec<(&'static str, String)> {
        let parts = ["sku", "warehouse_code", "location_code", "lot"];
        vec![("", parts.map(|name| text_of(row, name)).join("\n"))]
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
        let rows = read::<StockRow>(rows, &mut outcome.errors);
        let facts = find(tx, &rows).await?;
        let mut lines: BTreeMap<WarehouseId, (Vec<Vec<i64>>, Vec<NewStockReceiptLine>)> =
            BTreeMap::new();
        for Row { number, row } in rows {
            match line(&facts, row) {
                Ok((warehouse_id, line)) => {
                    let receipt = lines.entry(warehouse_id).or_default();
                    receipt.0.push(vec![number]);
                    receipt.1.push(line);
                    outcome.created += 1;
                }
                Err(error) => outcome.errors.push(refused(number, error)),
            }
        }
        if !applies {
            return Ok(outcome);
        }
        // All levels at once, in the order of their keys; the receipts lock them again.
        let keys: BTreeSet<_> = lines
            .iter()
            .flat_map(|(warehouse_id, (_, lines))| {
                lines
                    .iter()
                    .map(|line| Key { product_id: line.product_id, warehouse_id: *warehouse_id })
            })
            .collect();
        if lines.len() > 1 {
            Levels::lock(tx, &keys).await?;
        }
        for (warehouse_id, (numbers, lines)) in lines {
            let reason = Note::parse(&self.import.reason).map_err(kernel::Error::internal)?;
            let receipt = NewStockReceipt { warehouse_id, lines, reason, received_on: None };
            let posted = self.service.post_receipt(tx, receipt).await;
            posted.map_err(|error| of_line(error, &numbers))?;
        }
        Ok(outcome)
    }
}

async fn find(tx: &Tx, rows: &[Row<StockRow>]) -> kernel::Result<Facts> {
    let products = products_by_sku(tx, rows.iter().map(|row| row.row.sku.to_string())).await?;
    let codes: BTreeSet<_> = rows.iter().map(|row| row.row.warehouse_code.to_string()).collect();
    let found = warehouse::Entity::find()
        .filter(warehouse::Column::Code.is_in(codes))
        .filter(warehouse::Column::IsTransit.eq(false))
        .all(&**tx)
        .await?;
    let warehouses: HashMap<_, _> = found.into_iter().map(|row| (row.code.clone(), row)).collect();
    let codes: BTreeSet<_> =
        rows.iter().filter_map(|row| row.row.location_code.as_deref()).collect();
    let mut locations = HashMap::new();
    if !codes.is_empty() {
        let found = location::Entity::find()
            .filter(location::Column::Code.is_in(codes))
            .filter(location::Column::WarehouseId.is_in(warehouses.values().map(|row| row.id)))
            .all(&**tx)
            .await?;
        locations.extend(found.into_iter().map(|row| ((row.warehouse_id, row.code), row.id)));
    }
    Ok(Facts { products, warehouses, locations })
}

/// The line of a receipt that a row stands for.
fn line(facts: &Facts, row: StockRow) -> Result<(WarehouseId, NewStockReceiptLine), Error> {
    let unknown = |pointer: &str| Error::UnknownWarehouse { pointer: pointer.into() };
    let warehouse = facts.warehouses.get(&*row.warehouse_code);
    let warehouse = warehouse.ok_or_else(|| unknown("/warehouse_code"))?;
    if !warehouse.is_active {
        let (pointer, code) = ("/warehouse_code".into(), warehouse.code.clone());
        return Err(Error::WarehouseInactive { pointer, code });
    }
    let product = facts.products.get(&*row.sku);
    let product = product.ok_or_else(|| Error::UnknownProduct { pointer: "/sku".into() })?;
    check_no_kit(product, "/sku")?;
    check_receivable(product, "/sku")?;
    check_fineness(product, row.quantity.get(), "/quantity")?;
    let location_id = match row.location_code {
        None => None,
        Some(code) => {
            let found = facts.locations.get(&(warehouse.id, code.into()));
            let unknown = || Error::UnknownLocation { pointer: "/location_code".into() };
            Some(*found.ok_or_else(unknown)?)
        }
    };
    let (quantity, expires_on) = (row.quantity, row.expires_on);
    let lots = match row.lot {
        Some(number) => vec![NewLotQuantity { number, quantity, expires_on }],
        None if expires_on.is_some() => return Err(Error::LotRequired),
        None => Vec::new(),
    };
    let (product_id, unit_cost) = (product.id, row.unit_cost);
    Ok((warehouse.id, NewStockReceiptLine { product_id, quantity, unit_cost, lots, location_id }))
}
