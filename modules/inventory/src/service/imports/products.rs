//! Rows of products: made, changed or left as they are, by what another system calls them or,
//! where the file does not say or nothing has that name yet, by their SKU.

use async_trait::async_trait;
use contracts::ids::ProductId;
use kernel::db::{Column as Type, Tx, Values, execute, insert_all};
use kernel::error::OrConflict;
use kernel::table::{Cells, Column, Kind, Row};
use sea_orm::{ActiveEnum, ConnectionTrait, DbErr, IntoActiveModel, SqlErr, Value};

use super::importer::{Importer, Outcome, Stop, read, refused};
use super::product_rules::{Facts, Plan, ProductRow};
use super::text_of;
use crate::entities::product;
use crate::error::Error;
use crate::routes::products::Product;
use crate::service::barcodes::spellings;
use crate::service::search;

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_required: false }
}

const COLUMNS: &[Column] = &[
    Column { name: "sku", kind: Kind::Text, is_required: true },
    column("external_id", Kind::Text),
    column("name", Kind::Text),
    column("description", Kind::Text),
    column("barcode", Kind::Text),
    column("unit", Kind::Text),
    column("unit_decimals", Kind::Number),
    column("tax_class", Kind::Text),
    column("is_active", Kind::Bool),
    column("category_code", Kind::Text),
    column("template_code", Kind::Text),
    column("options", Kind::Json),
    column("weight_g", Kind::Number),
    column("length_mm", Kind::Number),
    column("width_mm", Kind::Number),
    column("height_mm", Kind::Number),
    column("tracking", Kind::Text),
    column("picking", Kind::Text),
    column("costing", Kind::Text),
    column("standard_cost", Kind::Text),
];

pub(super) struct Products;

#[async_trait]
impl Importer for Products {
    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn keys(&self, row: &Cells) -> Vec<(&'static str, String)> {
        // Of the ways to write a number, one stands for all.
        let barcode = spellings(&text_of(row, "barcode")).pop().unwrap_or_default();
        let keys = [
            ("sku", text_of(row, "sku")),
            ("external_id", text_of(row, "external_id")),
            ("barcode", barcode),
        ];
        keys.into_iter().filter(|(_, key)| !key.is_empty()).collect()
    }

    fn must_be_tried(&self) -> bool {
        false
    }

    async fn work(
        &self,
        tx: &mut Tx,
        rows: Vec<Row<Cells>>,
        applies: bool,
    ) -> Result<Outcome, Stop> {
        let mut outcome = Outcome::default();
        let rows = read::<ProductRow>(rows, &mut outcome.errors);
        let facts = Facts::find(tx, &rows, applies).await?;
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for Row { number, row } in rows {
            match facts.plan(row, tx.now()) {
                Ok(Plan::Create(model)) => new.push(*model),
                Ok(Plan::Change(both)) => changed.push(*both),
                Ok(Plan::Keep) => outcome.unchanged += 1,
                Err(error) => outcome.errors.push(refused(number, error)),
            }
        }
        (outcome.created, outcome.updated) = (new.len() as i64, changed.len() as i64);
        if applies {
            create(tx, new).await?;
            change(tx, changed).await?;
        }
        Ok(outcome)
    }
}

async fn create(tx: &mut Tx, new: Vec<product::Model>) -> Result<(), Stop> {
    let Some(first) = new.first() else { return Ok(()) };
    let sku = first.sku.clone();
    let rows = new.iter().cloned().map(IntoActiveModel::into_active_model);
    // What stands in the way was made a moment ago; who looks again finds it.
    insert_all(&**tx, rows).await.or_conflict(|| Error::SkuTaken { sku }.into())?;
    search::index_new(tx, &new).await?;
    for model in new {
        let id = model.id.uuid();
        tx.audit_new("product", id, &Product::from(model))?;
    }
    Ok(())
}

async fn change(tx: &mut Tx, changed: Vec<(product::Model, product::Model)>) -> Result<(), Stop> {
    if changed.is_empty() {
        return Ok(());
    }
    let columns = [
        ("id", Type::Uuid),
        ("name", Type::Text),
        ("description", Type::Text),
        ("barcode", Type::Text),
        ("tax_class", Type::Text),
        ("is_active", Type::Bool),
        ("category_id", Type::Uuid),
        ("external_id", Type::Text),
        ("weight_g", Type::BigInt),
        ("length_mm", Type::BigInt),
        ("width_mm", Type::BigInt),
        ("height_mm", Type::BigInt),
        ("tracking", Type::Text),
        ("picking", Type::Text),
        ("version", Type::BigInt),
    ];
    let rows = changed.iter().map(|(_, after)| row_of(after.clone()));
    let mut values = Values::new(tx.get_database_backend(), "v", &columns, rows);
    let now = values.bind(tx.now());
    let set: Vec<_> = columns[1..].iter().map(|(name, _)| format!("{name} = v.{name}")).collect();
    let (sql, values) = values.statement(&format!(
        "UPDATE products SET {}, updated_at = {now} FROM v WHERE products.id = v.id",
        set.join(", ")
    ));
    execute(&**tx, sql, values).await.map_err(taken)?;
    let renamed: Vec<_> = changed
        .iter()
        .filter(|(before, after)| {
            (&after.name, &after.barcode) != (&before.name, &before.barcode) || !after.is_indexed
        })
        .map(|(_, after)| after.clone())
        .collect();
    if !renamed.is_empty() {
        search::index(tx, &renamed).await?;
    }
    for (before, after) in changed {
        let id: ProductId = after.id;
        let (before, after) = (Product::from(before), Product::from(after));
        tx.audit("product", id.uuid(), Some(&before), Some(&after))?;
    }
    Ok(())
}

fn row_of(row: product::Model) -> Vec<Value> {
    vec![
        row.id.into(),
        row.name.into(),
        row.description.into(),
        row.barcode.into(),
        row.tax_class.into(),
        row.is_active.into(),
        row.category_id.into(),
        row.external_id.into(),
        row.weight_g.into(),
        row.length_mm.into(),
        row.width_mm.into(),
        row.height_mm.into(),
        row.tracking.to_value().into(),
        row.picking.to_value().into(),
        row.version.into(),
    ]
}

/// A barcode or an external id that somebody else took at the same time.
fn taken(error: DbErr) -> kernel::Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::ChangedMeanwhile.into(),
        _ => error.into(),
    }
}
