//! What a row of products comes to, by the rules of a single product, with everything that
//! they have to know read at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use contracts::common::TaxClass;
use contracts::ids::{CategoryId, ProductId, ProductTemplateId};
use kernel::Result;
use kernel::db::Tx;
use kernel::http::nullable;
use kernel::money::UnitPrice;
use kernel::table::Row;
use kernel::text::{Code, Name, Note, Text};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Deserialize;

use crate::entities::product::{self, Costing, Picking, Tracking};
use crate::entities::{category, product_template, stock_level};
use crate::error::Error;
use crate::routes::product_templates::ProductTemplate;
use crate::routes::products::{NewProduct, ProductPatch};
use crate::service::barcodes::{check_gtin, holders, spellings};
use crate::service::product_templates::fitting;
use crate::service::products::{check_countable, check_new, check_owable, patched, product_of};

/// A row of a file. What a column says goes for the product; what has no column stays. An empty
/// cell empties, where a product can be without.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductRow {
    pub sku: Code,
    #[serde(default, deserialize_with = "nullable")]
    external_id: Option<Option<Text<1, 128>>>,
    name: Option<Name>,
    #[serde(default, deserialize_with = "nullable")]
    description: Option<Option<Note>>,
    #[serde(default, deserialize_with = "nullable")]
    barcode: Option<Option<Text<1, 64>>>,
    unit: Option<Text<1, 16>>,
    unit_decimals: Option<u8>,
    tax_class: Option<TaxClass>,
    is_active: Option<bool>,
    #[serde(default, deserialize_with = "nullable")]
    category_code: Option<Option<Code>>,
    template_code: Option<Code>,
    options: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "nullable")]
    weight_g: Option<Option<u32>>,
    #[serde(default, deserialize_with = "nullable")]
    length_mm: Option<Option<u32>>,
    #[serde(default, deserialize_with = "nullable")]
    width_mm: Option<Option<u32>>,
    #[serde(default, deserialize_with = "nullable")]
    height_mm: Option<Option<u32>>,
    tracking: Option<Tracking>,
    picking: Option<Picking>,
    costing: Option<Costing>,
    standard_cost: Option<UnitPrice>,
}

/// What is to be done about a row.
pub(super) enum Plan {
    Create(Box<product::Model>),
    /// As it was, and as it is to be.
    Change(Box<(product::Model, product::Model)>),
    Keep,
}

/// What the rules have to know.
pub(super) struct Facts {
    by_sku: HashMap<String, product::Model>,
    by_external_id: HashMap<String, product::Model>,
    categories: HashMap<String, CategoryId>,
    templates: HashMap<String, product_template::Model>,
    /// Of each spelling of a barcode, whose it is: a product with its SKU, or none for a unit
    /// of one with its code.
    barcodes: HashMap<String, (Option<ProductId>, String)>,
    variants: HashMap<(ProductTemplateId, String), String>,
    /// Products that have been stocked, ordered or expected.
    stocked: HashSet<ProductId>,
}

impl Facts {
    /// Reads what the rows name, and locks the products if they are to be changed.
    pub async fn find(tx: &Tx, rows: &[Row<ProductRow>], locks: bool) -> Result<Self> {
        use product::Column;
        let rows = || rows.iter().map(|row| &row.row);
        let skus: BTreeSet<_> = rows().map(|row| row.sku.to_string()).collect();
        let external_ids: BTreeSet<_> =
            rows().filter_map(|row| row.external_id.as_ref()?.as_deref()).collect();
        let named = Condition::any().add(Column::Sku.is_in(skus));
        let named = named
            .add_option((!external_ids.is_empty()).then(|| Column::ExternalId.is_in(external_ids)));
        let mut select = product::Entity::find().filter(named).order_by_asc(Column::Id);
        if locks {
            select = select.lock_exclusive();
        }
        let known = select.all(&**tx).await?;
        let mut facts = Facts {
            by_sku: known.iter().map(|row| (row.sku.clone(), row.clone())).collect(),
            by_external_id: HashMap::new(),
            categories: HashMap::new(),
            templates: HashMap::new(),
            barcodes: HashMap::new(),
            variants: HashMap::new(),
            stocked: HashSet::new(),
        };
        let codes: BTreeSet<_> =
            rows().filter_map(|row| row.category_code.as_ref()?.as_deref()).collect();
        if !codes.is_empty() {
            let found = category::Entity::find().filter(category::Column::Code.is_in(codes));
            let found = found.all(&**tx).await?;
            facts.categories.extend(found.into_iter().map(|row| (row.code, row.id)));
        }
        facts.find_barcodes(tx, rows().filter_map(|row| row.barcode.as_ref()?.as_deref())).await?;
        facts.find_templates(tx, rows().filter(|row| row.template_code.is_some())).await?;
        if rows().any(|row| row.tracking.is_some()) && !known.is_empty() {
            let ids = known.iter().map(|row| row.id);
            let levels = stock_level::Entity::find();
            let levels = levels.filter(stock_level::Column::ProductId.is_in(ids));
            facts.stocked = levels.all(&**tx).await?.iter().map(|row| row.product_id).collect();
        }
        let by_external_id = known.into_iter().map(|row| (row.external_id.clone(), row));
        facts.by_external_id = by_external_id.filter_map(|(id, row)| Some((id?, row))).collect();
        Ok(facts)
    }

    async fn find_barcodes(&mut self, tx: &Tx, barcodes: impl Iterator<Item = &str>) -> Result<()> {
        let all: Vec<_> = barcodes.flat_map(spellings).collect();
        if all.is_empty() {
            return Ok(());
        }
        let (products, units) = holders(&**tx, &all).await?;
        let of_products =
            products.into_iter().filter_map(|row| Some((row.barcode?, (Some(row.id), row.sku))));
        let of_units = units.into_iter().filter_map(|row| Some((row.barcode?, (None, row.code))));
        self.barcodes = of_products.chain(of_units).collect();
        Ok(())
    }

    async fn find_templates<'a>(
        &mut self,
        tx: &Tx,
        rows: impl Iterator<Item = &'a ProductRow> + Clone,
    ) -> Result<()> {
        let codes: BTreeSet<_> =
            rows.clone().filter_map(|row| row.template_code.as_deref()).collect();
        if codes.is_empty() {
            return Ok(());
        }
        let options: BTreeSet<String> =
            rows.filter_map(|row| serde_json::to_string(row.options.as_ref()?).ok()).collect();
        let found = product_template::Entity::find()
            .filter(product_template::Column::Code.is_in(codes))
            .all(&**tx)
            .await?;
        let ids: Vec<_> = found.iter().map(|row| row.id).collect();
        let variants = product::Entity::find()
            .filter(product::Column::TemplateId.is_in(ids))
            .filter(product::Column::Options.is_in(options))
            .all(&**tx)
            .await?;
        for row in variants {
            if let (Some(template_id), Some(options)) = (row.template_id, row.options) {
                self.variants.insert((template_id, options), row.sku);
            }
        }
        self.templates = found.into_iter().map(|row| (row.code.clone(), row)).collect();
        Ok(())
    }

    /// What a row comes to.
    pub fn plan(&self, row: ProductRow, now: DateTime<Utc>) -> Result<Plan, Error> {
        let external_id = row.external_id.as_ref().and_then(|id| id.as_deref());
        let named = external_id.and_then(|id| self.by_external_id.get(id));
        match named.or_else(|| self.by_sku.get(&*row.sku)) {
            Some(before) => self.change(before, row, now),
            None => self.create(row, now),
        }
    }

    fn create(&self, row: ProductRow, now: DateTime<Utc>) -> Result<Plan, Error> {
        let missing = |column| Error::ColumnMissing { column };
        let id = ProductId::new();
        self.check_barcode(id, row.barcode.as_ref().and_then(|code| code.as_deref()))?;
        let category_id = self.category(row.category_code)?.flatten();
        let template = match &row.template_code {
            Some(code) => Some(self.templates.get(&**code).ok_or(Error::UnknownTemplate)?),
            None => None,
        };
        let options = match (template, row.options) {
            (Some(template), options) => Some(self.variant(template, options.unwrap_or_default())?),
            (None, Some(options)) if !options.is_empty() => return Err(Error::OptionsDoNotFit),
            _ => None,
        };
        let is_active = row.is_active.unwrap_or(true);
        let new = NewProduct {
            sku: row.sku,
            name: row.name.ok_or_else(|| missing("name"))?,
            description: row.description.flatten(),
            barcode: row.barcode.flatten(),
            unit: row.unit.ok_or_else(|| missing("unit"))?,
            unit_decimals: row.unit_decimals.unwrap_or_default(),
            tax_class: row.tax_class.ok_or_else(|| missing("tax_class"))?,
            category_id,
            external_id: row.external_id.flatten(),
            template_id: template.map(|template| template.id),
            options: None,
            weight_g: row.weight_g.flatten(),
            length_mm: row.length_mm.flatten(),
            width_mm: row.width_mm.flatten(),
            height_mm: row.height_mm.flatten(),
            tracking: row.tracking.unwrap_or_default(),
            picking: row.picking.unwrap_or_default(),
            costing: row.costing.unwrap_or_default(),
            standard_cost: row.standard_cost,
        };
        check_new(&new)?;
        let model = product_of(id, new, options, now);
        Ok(Plan::Create(Box::new(product::Model { is_active, ..model })))
    }

    fn change(
        &self,
        before: &product::Model,
        row: ProductRow,
        now: DateTime<Utc>,
    ) -> Result<Plan, Error> {
        let same = |is_same: bool, column: &'static str| match is_same {
            true => Ok(()),
            false => Err(Error::FieldFixed { column }),
        };
        same(*row.sku == *before.sku, "sku")?;
        same(row.unit.is_none_or(|unit| *unit == *before.unit), "unit")?;
        let decimals = row.unit_decimals.map(i64::from);
        same(decimals.is_none_or(|decimals| decimals == before.unit_decimals), "unit_decimals")?;
        same(row.costing.is_none_or(|costing| costing == before.costing), "costing")?;
        let cost = row.standard_cost;
        same(cost.is_none() || cost == before.standard_cost, "standard_cost")?;
        if let Some(code) = &row.template_code {
            let template = self.templates.get(&**code).ok_or(Error::UnknownTemplate)?;
            same(Some(template.id) == before.template_id, "template_code")?;
        }
        let options = row.options.map(|options| serde_json::to_string(&options));
        let options = options.transpose().map_err(|_| Error::OptionsDoNotFit)?;
        let had = before.options.as_deref().unwrap_or("{}");
        same(options.is_none_or(|options| options == had), "options")?;
        let barcode = row.barcode.as_ref().and_then(|code| code.as_deref());
        if barcode != before.barcode.as_deref() {
            self.check_barcode(before.id, barcode)?;
        }
        if let Some(tracking) = row.tracking.filter(|tracking| *tracking != before.tracking) {
            check_countable(tracking, before.unit_decimals)?;
            check_owable(tracking, before.negative_stock, "/tracking")?;
            if self.stocked.contains(&before.id) {
                return Err(Error::TrackingFixed);
            }
        }
        let patch = ProductPatch {
            name: row.name,
            description: row.description,
            barcode: row.barcode,
            tax_class: row.tax_class,
            is_active: row.is_active,
            category_id: self.category(row.category_code)?,
            external_id: row.external_id,
            weight_g: row.weight_g,
            length_mm: row.length_mm,
            width_mm: row.width_mm,
            height_mm: row.height_mm,
            tracking: row.tracking,
            picking: row.picking,
        };
        let mut after = patched(before, patch);
        if after == *before {
            return Ok(Plan::Keep);
        }
        (after.version, after.updated_at) = (before.version + 1, now);
        Ok(Plan::Change(Box::new((before.clone(), after))))
    }

    fn category(&self, code: Option<Option<Code>>) -> Result<Option<Option<CategoryId>>, Error> {
        match code {
            Some(Some(code)) => match self.categories.get(&*code) {
                Some(id) => Ok(Some(Some(*id))),
                None => Err(Error::UnknownCategory { pointer: "/category_code".into() }),
            },
            Some(None) => Ok(Some(None)),
            None => Ok(None),
        }
    }

    fn check_barcode(&self, id: ProductId, barcode: Option<&str>) -> Result<(), Error> {
        let Some(barcode) = barcode else { return Ok(()) };
        check_gtin(barcode, "/barcode")?;
        for spelling in spellings(barcode) {
            if let Some((holder_id, holder)) = self.barcodes.get(&spelling)
                && *holder_id != Some(id)
            {
                let (pointer, holder) = ("/barcode".into(), holder.clone());
                return Err(Error::BarcodeTaken { barcode: barcode.into(), holder, pointer });
            }
        }
        Ok(())
    }

    fn variant(
        &self,
        template: &product_template::Model,
        options: BTreeMap<String, String>,
    ) -> Result<String, Error> {
        let shown = ProductTemplate::try_from(template.clone());
        let shown = shown.map_err(|_| Error::UnknownTemplate)?;
        let options = fitting(&shown, options).map_err(|_| Error::OptionsDoNotFit)?;
        match self.variants.get(&(template.id, options.clone())) {
            Some(sku) => Err(Error::VariantExists { sku: sku.clone() }),
            None => Ok(options),
        }
    }
}
