//! What can be stocked, bought and sold.

use contracts::ids::ProductId;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::product;
use crate::error::Error;
use crate::routes::products::{ListProducts, NewProduct, Product, ProductPatch};
use crate::service::Service;

impl Service {
    pub(crate) async fn list_products(&self, query: ListProducts) -> Result<Page<product::Model>> {
        let mut select = product::Entity::find();
        if let Some(sku) = query.sku {
            select = select.filter(product::Column::Sku.eq(String::from(sku)));
        }
        if let Some(is_active) = query.is_active {
            select = select.filter(product::Column::IsActive.eq(is_active));
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
        if new.unit_decimals > 6 {
            return Err(Error::TooManyUnitDecimals { asked: new.unit_decimals }.into());
        }
        let mut tx = self.db.begin_once(ctx).await?;
        self.check_barcode_free(&tx, new.barcode.as_deref(), None).await?;
        let sku = String::from(new.sku);
        let model = product::ActiveModel {
            id: Set(ProductId::new()),
            sku: Set(sku.clone()),
            name: Set(new.name.into()),
            description: Set(new.description.map(Into::into)),
            barcode: Set(new.barcode.map(Into::into)),
            unit: Set(new.unit.into()),
            unit_decimals: Set(new.unit_decimals.into()),
            tax_class: Set(new.tax_class.into()),
            is_active: Set(true),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        };
        let product =
            Product::from(model.insert(&*tx).await.or_conflict(|| Error::SkuTaken { sku }.into())?);
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
            self.check_barcode_free(&tx, Some(barcode), Some(id)).await?;
        }
        let mut model = before.clone().into_active_model();
        if let Some(name) = patch.name {
            model.name = Set(name.into());
        }
        if let Some(description) = patch.description {
            model.description = Set(description.map(Into::into));
        }
        if let Some(barcode) = patch.barcode {
            model.barcode = Set(barcode.map(Into::into));
        }
        if let Some(tax_class) = patch.tax_class {
            model.tax_class = Set(tax_class.into());
        }
        if let Some(is_active) = patch.is_active {
            model.is_active = Set(is_active);
        }
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = Product::from(model.update(&*tx).await?);
        tx.audit("product", id.uuid(), Some(&Product::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    async fn check_barcode_free(
        &self,
        tx: &kernel::db::Tx,
        barcode: Option<&str>,
        except: Option<ProductId>,
    ) -> Result<()> {
        let Some(barcode) = barcode else {
            return Ok(());
        };
        let holder =
            product::Entity::find().filter(product::Column::Barcode.eq(barcode)).one(&**tx).await?;
        match holder {
            Some(holder) if Some(holder.id) != except => {
                Err(Error::BarcodeTaken { barcode: barcode.into(), sku: holder.sku }.into())
            }
            _ => Ok(()),
        }
    }
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
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}
