//! What can be stocked, bought and sold.

use chrono::{DateTime, Utc};
use contracts::ids::ProductId;
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, SqlErr,
};

use crate::entities::product::{self, Costing, NegativeStock, Tracking};
use crate::entities::stock_level;
use crate::error::Error;
use crate::routes::products::{ListProducts, NewProduct, Product, ProductPatch};
use crate::service::barcodes::check_barcodes;
use crate::service::categories::check_category;
use crate::service::product_templates::variant;
use crate::service::{Service, search};

impl Service {
    pub(crate) async fn list_products(&self, query: ListProducts) -> Result<Page<product::Model>> {
        let mut select = product::Entity::find();
        if let Some(sku) = query.sku {
            select = select.filter(product::Column::Sku.eq(String::from(sku)));
        }
        if let Some(is_active) = query.is_active {
            select = select.filter(product::Column::IsActive.eq(is_active));
        }
        if let Some(category_id) = query.category_id {
            select = select.filter(product::Column::CategoryId.eq(category_id));
        }
        if let Some(template_id) = query.template_id {
            select = select.filter(product::Column::TemplateId.eq(template_id));
        }
        if let Some(external_id) = query.external_id {
            select = select.filter(product::Column::ExternalId.eq(external_id.into_string()));
        }
        if let Some(text) = query.q {
            select = search::matching(select, &text);
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &product::Model| row.id.uuid();
        fetch(self.db.read(), select, product::Column::Id, id_of, "products", &request).await
    }

    pub(crate) async fn product(&self, id: ProductId) -> Result<product::Model> {
        let product = product::Entity::find_by_id(id).one(self.db.read()).await?;
        product.ok_or_else(|| kernel::Error::not_found("product", id))
    }

    pub(crate) async fn create_product(&self, ctx: &Ctx, new: NewProduct) -> Result<Reply> {
        check_new(&new)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let id = ProductId::new();
        check_barcodes(&tx, &pointed(new.barcode.as_deref()), id, false).await?;
        check_category(&tx, new.category_id, "/category_id").await?;
        let options = variant(&tx, new.template_id, new.options.clone()).await?;
        let model = product_of(id, new, options, tx.now());
        let sku = model.sku.clone();
        check_free(&tx, &model).await?;
        let model = model.into_active_model().insert(&*tx).await;
        let model = model.or_conflict(|| Error::SkuTaken { sku }.into())?;
        search::index(&tx, std::slice::from_ref(&model)).await?;
        let product = Product::from(model);
        tx.audit_new("product", product.id.uuid(), &product)?;
        let location = format!("/api/v1/inventory/products/{}", product.id);
        tx.reply(Reply::created(&product, location)).await
    }

    pub(crate) async fn update_product(
        &self,
        ctx: &Ctx,
        id: ProductId,
        patch: ProductPatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<product::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("product", id))?;
        ctx.check_version(before.version)?;
        if let Some(Some(barcode)) = &patch.barcode {
            check_barcodes(&tx, &pointed(Some(barcode)), id, false).await?;
        }
        if let Some(category_id) = patch.category_id {
            check_category(&tx, category_id, "/category_id").await?;
        }
        if let Some(tracking) = patch.tracking
            && tracking != before.tracking
        {
            if before.is_kit {
                return Err(Error::KitTracked.into());
            }
            check_countable(tracking, before.unit_decimals)?;
            check_owable(tracking, before.negative_stock, "/tracking")?;
            let level = stock_level::Entity::find();
            let level = level.filter(stock_level::Column::ProductId.eq(id));
            if level.one(&*tx).await?.is_some() {
                return Err(Error::TrackingFixed.into());
            }
        }
        let external_id = patch.external_id.clone().flatten().map(String::from);
        let barcode = patch.barcode.clone().flatten().map(String::from);
        let (external_id, barcode) = (external_id.unwrap_or_default(), barcode.unwrap_or_default());
        let mut model = patched(&before, patch);
        // What changes nothing makes no new version.
        if model == before {
            return tx.reply(Reply::ok(&Product::from(before))).await;
        }
        (model.version, model.updated_at) = (before.version + 1, tx.now());
        let updated = model.into_active_model().reset_all().update(&*tx).await;
        let after = updated.map_err(|error| taken(error, barcode, external_id))?;
        if (&after.name, &after.barcode) != (&before.name, &before.barcode) || !after.is_indexed {
            search::index(&tx, std::slice::from_ref(&after)).await?;
        }
        let after = Product::from(after);
        tx.audit("product", id.uuid(), Some(&Product::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

/// Which of the two that are unique somebody else took at the same time.
fn taken(error: DbErr, barcode: String, external_id: String) -> kernel::Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(what)) if what.contains("barcode") => {
            let (holder, pointer) = ("another product".into(), "/barcode".into());
            Error::BarcodeTaken { barcode, holder, pointer }.into()
        }
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::ExternalIdTaken { external_id }.into(),
        _ => error.into(),
    }
}

/// What can be said of a new product without looking anywhere.
pub(crate) fn check_new(new: &NewProduct) -> Result<(), Error> {
    if new.unit_decimals > 6 {
        return Err(Error::TooManyUnitDecimals { asked: new.unit_decimals });
    }
    check_countable(new.tracking, new.unit_decimals.into())?;
    if (new.costing == Costing::Standard) != new.standard_cost.is_some() {
        return Err(Error::StandardCostUnclear);
    }
    Ok(())
}

/// What is stored of a new product.
pub(crate) fn product_of(
    id: ProductId,
    new: NewProduct,
    options: Option<String>,
    now: DateTime<Utc>,
) -> product::Model {
    product::Model {
        id,
        sku: new.sku.into(),
        name: new.name.into(),
        description: new.description.map(Into::into),
        barcode: new.barcode.map(Into::into),
        unit: new.unit.into(),
        unit_decimals: new.unit_decimals.into(),
        tax_class: new.tax_class.into(),
        is_active: true,
        category_id: new.category_id,
        external_id: new.external_id.map(Into::into),
        template_id: new.template_id,
        options,
        weight_g: new.weight_g.map(Into::into),
        length_mm: new.length_mm.map(Into::into),
        width_mm: new.width_mm.map(Into::into),
        height_mm: new.height_mm.map(Into::into),
        is_indexed: true,
        tracking: new.tracking,
        picking: new.picking,
        costing: new.costing,
        standard_cost: new.standard_cost,
        is_kit: false,
        negative_stock: NegativeStock::Never,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// A product with what the patch says.
pub(crate) fn patched(before: &product::Model, patch: ProductPatch) -> product::Model {
    fn set<T>(field: &mut T, new: Option<impl Into<T>>) {
        if let Some(new) = new {
            *field = new.into();
        }
    }
    fn set_or_empty<T>(field: &mut Option<T>, new: Option<Option<impl Into<T>>>) {
        if let Some(new) = new {
            *field = new.map(Into::into);
        }
    }
    let mut after = before.clone();
    set(&mut after.name, patch.name);
    set_or_empty(&mut after.description, patch.description);
    set_or_empty(&mut after.barcode, patch.barcode);
    set(&mut after.tax_class, patch.tax_class);
    set(&mut after.is_active, patch.is_active);
    set_or_empty(&mut after.category_id, patch.category_id);
    set_or_empty(&mut after.external_id, patch.external_id);
    set_or_empty(&mut after.weight_g, patch.weight_g);
    set_or_empty(&mut after.length_mm, patch.length_mm);
    set_or_empty(&mut after.width_mm, patch.width_mm);
    set_or_empty(&mut after.height_mm, patch.height_mm);
    set(&mut after.tracking, patch.tracking);
    set(&mut after.picking, patch.picking);
    after
}

/// Half a piece has no serial number.
pub(crate) fn check_countable(tracking: Tracking, unit_decimals: i64) -> Result<(), Error> {
    match tracking {
        Tracking::Serial if unit_decimals > 0 => Err(Error::SerialOfNoPieces),
        _ => Ok(()),
    }
}

/// What is not there is of no lot.
pub(crate) fn check_owable(
    tracking: Tracking,
    negative_stock: NegativeStock,
    pointer: &'static str,
) -> Result<(), Error> {
    match (tracking, negative_stock) {
        (Tracking::None, _) | (_, NegativeStock::Never) => Ok(()),
        _ => Err(Error::NegativeOfLots { pointer }),
    }
}

/// A barcode with where it was given.
fn pointed(barcode: Option<&str>) -> Vec<(String, String)> {
    barcode.map(|barcode| (barcode.to_owned(), "/barcode".to_owned())).into_iter().collect()
}

/// Refuses an external id or a variant that another product has. The SKU is left to its index.
async fn check_free(tx: &Tx, new: &product::Model) -> Result<()> {
    use product::Column;
    if let Some(external_id) = &new.external_id {
        let taken = product::Entity::find().filter(Column::ExternalId.eq(external_id));
        if taken.one(&**tx).await?.is_some() {
            return Err(Error::ExternalIdTaken { external_id: external_id.clone() }.into());
        }
    }
    if let (Some(template_id), Some(options)) = (new.template_id, &new.options) {
        let twin = product::Entity::find()
            .filter(Column::TemplateId.eq(template_id))
            .filter(Column::Options.eq(options));
        if let Some(twin) = twin.one(&**tx).await? {
            return Err(Error::VariantExists { sku: twin.sku }.into());
        }
    }
    Ok(())
}

impl From<product::Model> for Product {
    fn from(model: product::Model) -> Self {
        Product {
            id: model.id,
            sku: model.sku,
            name: model.name,
            description: model.description,
            barcode: model.barcode,
            unit: model.unit,
            unit_decimals: model.unit_decimals as u8,
            tax_class: model.tax_class,
            is_active: model.is_active,
            category_id: model.category_id,
            external_id: model.external_id,
            template_id: model.template_id,
            // Written by us, as a JSON object.
            options: model
                .options
                .and_then(|options| serde_json::from_str(&options).ok())
                .unwrap_or_default(),
            weight_g: measure(model.weight_g),
            length_mm: measure(model.length_mm),
            width_mm: measure(model.width_mm),
            height_mm: measure(model.height_mm),
            tracking: model.tracking,
            picking: model.picking,
            costing: model.costing,
            standard_cost: model.standard_cost,
            is_kit: model.is_kit,
            negative_stock: model.negative_stock,
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}

/// Written as an unsigned number of 32 bits.
fn measure(stored: Option<i64>) -> Option<u32> {
    stored.and_then(|measure| measure.try_into().ok())
}
