//! What an export has rows of: the lists of the API, in columns that people can read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use kernel::money::UnitPrice;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::Quantity;
use kernel::table::{Format, Tabular, header, lines};
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;

use crate::entities::import::FileResource;
use crate::entities::product::{Costing, Picking, Tracking};
use crate::entities::{category, export, product, product_template, warehouse};
use crate::routes::products::{ListProducts, Product};
use crate::routes::stock::{ListStock, StockLevel};
use crate::routes::stock_counts::{ListStockCountLines, StockCountLine, StockCountLot};
use crate::service::Service;

/// A product as an import takes it.
#[derive(Serialize)]
struct ProductLine {
    sku: String,
    external_id: Option<String>,
    name: String,
    description: Option<String>,
    barcode: Option<String>,
    unit: String,
    unit_decimals: u8,
    tax_class: String,
    is_active: bool,
    category_code: Option<String>,
    template_code: Option<String>,
    options: Option<BTreeMap<String, String>>,
    weight_g: Option<u32>,
    length_mm: Option<u32>,
    width_mm: Option<u32>,
    height_mm: Option<u32>,
    tracking: Tracking,
    picking: Picking,
    costing: Costing,
    standard_cost: Option<UnitPrice>,
}

impl Tabular for ProductLine {
    const COLUMNS: &'static [&'static str] = &[
        "sku",
        "external_id",
        "name",
        "description",
        "barcode",
        "unit",
        "unit_decimals",
        "tax_class",
        "is_active",
        "category_code",
        "template_code",
        "options",
        "weight_g",
        "length_mm",
        "width_mm",
        "height_mm",
        "tracking",
        "picking",
        "costing",
        "standard_cost",
    ];
}

/// What a warehouse has of a product.
#[derive(Serialize)]
struct StockLine {
    warehouse_code: String,
    #[serde(flatten)]
    level: StockLevel,
}

impl Tabular for StockLine {
    const COLUMNS: &'static [&'static str] = &[
        "sku",
        "warehouse_code",
        "on_hand",
        "reserved",
        "blocked",
        "available",
        "backordered",
        "unit",
        "value.amount",
        "value.currency",
        "average_cost",
    ];
}

/// What was counted of a product, or of a lot of it, as an import takes it.
#[derive(Serialize)]
struct CountLine {
    sku: String,
    name: String,
    lot: Option<String>,
    expires_on: Option<NaiveDate>,
    quantity: Option<Quantity>,
    unit_cost: Option<UnitPrice>,
    counts: i64,
    book: Option<Quantity>,
    variance: Option<Quantity>,
    counted_at: Option<DateTime<Utc>>,
}

impl CountLine {
    /// The rows of a line: one for each lot where it was counted by lot.
    fn of((sku, name): (String, String), line: StockCountLine) -> Vec<Self> {
        let row = |lot: Option<StockCountLot>| {
            let (quantity, book, variance) = match &lot {
                Some(lot) => (Some(lot.counted), lot.book, lot.variance),
                None => (line.counted, line.book, line.variance),
            };
            let (lot, expires_on) = lot.map_or((None, None), |lot| (lot.number, lot.expires_on));
            let (sku, name) = (sku.clone(), name.clone());
            let (unit_cost, counts, counted_at) = (line.unit_cost, line.counts, line.counted_at);
            CountLine {
                sku,
                name,
                lot,
                expires_on,
                quantity,
                unit_cost,
                counts,
                book,
                variance,
                counted_at,
            }
        };
        match line.lots.is_empty() {
            true => vec![row(None)],
            false => line.lots.into_iter().map(|lot| row(Some(lot))).collect(),
        }
    }
}

impl Tabular for CountLine {
    const COLUMNS: &'static [&'static str] = &[
        "sku",
        "name",
        "lot",
        "expires_on",
        "quantity",
        "unit_cost",
        "counts",
        "book",
        "variance",
        "counted_at",
    ];
}

/// A part of a file, its rows, and where the next one begins.
pub(super) struct Part {
    pub text: String,
    pub rows: i64,
    pub next: Option<Cursor>,
}

fn part<T: Tabular>(format: Format, is_first: bool, page: Page<T>) -> Result<Part> {
    let names = if is_first { header(format, T::COLUMNS) } else { String::new() };
    let text = names + &lines(format, &page.data)?;
    Ok(Part { text, rows: page.data.len() as i64, next: page.page.next_cursor })
}

impl Service {
    /// The part of a file that begins at `cursor`.
    pub(super) async fn export_part(
        &self,
        job: &Ctx,
        export: &export::Model,
        cursor: Option<Cursor>,
    ) -> Result<Part> {
        let (format, is_first) = (export.format, cursor.is_none());
        let (limit, sort) = (Limit::LARGEST, Sort::OldestFirst);
        match (export.resource, export.stock_count_id) {
            (FileResource::Counts, Some(id)) => {
                let query = ListStockCountLines { limit, cursor, sort, ..Default::default() };
                let page = self.stock_count_lines(job, id, query).await?;
                let ids: BTreeSet<_> = page.data.iter().map(|line| line.product_id).collect();
                let found = product::Entity::find()
                    .filter(product::Column::Id.is_in(ids))
                    .all(self.db.read())
                    .await?;
                let mut names: HashMap<_, _> =
                    found.into_iter().map(|row| (row.id, (row.sku, row.name))).collect();
                let rows = page.data.into_iter().flat_map(|line| {
                    // Of a product there is one line, and products are never deleted.
                    let names = names.remove(&line.product_id).unwrap_or_default();
                    CountLine::of(names, line)
                });
                let page = Page { data: rows.collect(), page: page.page };
                part(format, is_first, page)
            }
            (FileResource::Stock, _) => {
                let warehouse_id = export.warehouse_id;
                let query = ListStock { limit, cursor, sort, warehouse_id, ..Default::default() };
                let page = self.list_stock(job, query).await?;
                let all = warehouse::Entity::find().all(self.db.read()).await?;
                let codes: HashMap<_, _> = all.into_iter().map(|row| (row.id, row.code)).collect();
                let page = page.map(|level| {
                    let warehouse_code = codes.get(&level.warehouse_id).cloned();
                    StockLine { warehouse_code: warehouse_code.unwrap_or_default(), level }
                });
                part(format, is_first, page)
            }
            _ => {
                let query = ListProducts { limit, cursor, sort, ..Default::default() };
                let page = self.list_products(query).await?;
                let page = self.product_lines(page).await?;
                part(format, is_first, page)
            }
        }
    }

    async fn product_lines(&self, page: Page<product::Model>) -> Result<Page<ProductLine>> {
        let ids: BTreeSet<_> = page.data.iter().filter_map(|row| row.category_id).collect();
        let mut categories = HashMap::new();
        if !ids.is_empty() {
            let found = category::Entity::find().filter(category::Column::Id.is_in(ids));
            let found = found.all(self.db.read()).await?;
            categories.extend(found.into_iter().map(|row| (row.id, row.code)));
        }
        let ids: BTreeSet<_> = page.data.iter().filter_map(|row| row.template_id).collect();
        let mut templates = HashMap::new();
        if !ids.is_empty() {
            let found =
                product_template::Entity::find().filter(product_template::Column::Id.is_in(ids));
            let found = found.all(self.db.read()).await?;
            templates.extend(found.into_iter().map(|row| (row.id, row.code)));
        }
        Ok(page.map(|row| {
            let row = Product::from(row);
            ProductLine {
                sku: row.sku,
                external_id: row.external_id,
                name: row.name,
                description: row.description,
                barcode: row.barcode,
                unit: row.unit,
                unit_decimals: row.unit_decimals,
                tax_class: row.tax_class,
                is_active: row.is_active,
                category_code: row.category_id.and_then(|id| categories.get(&id).cloned()),
                template_code: row.template_id.and_then(|id| templates.get(&id).cloned()),
                options: Some(row.options).filter(|options| !options.is_empty()),
                weight_g: row.weight_g,
                length_mm: row.length_mm,
                width_mm: row.width_mm,
                height_mm: row.height_mm,
                tracking: row.tracking,
                picking: row.picking,
                costing: row.costing,
                standard_cost: row.standard_cost,
            }
        }))
    }
}
