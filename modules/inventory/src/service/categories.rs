//! What products are sorted by.

use contracts::ids::CategoryId;
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::category;
use crate::error::Error;
use crate::routes::categories::{Category, CategoryPatch, ListCategories, NewCategory};
use crate::service::Service;

/// Refuses a category there is not.
pub(crate) async fn check_category(tx: &Tx, id: Option<CategoryId>, pointer: &str) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    match category::Entity::find_by_id(id).one(&**tx).await? {
        Some(_) => Ok(()),
        None => Err(Error::UnknownCategory { pointer: pointer.into() }.into()),
    }
}

impl Service {
    pub(crate) async fn list_categories(
        &self,
        query: ListCategories,
    ) -> Result<Page<category::Model>> {
        let mut select = category::Entity::find();
        if let Some(parent_id) = query.parent_id {
            select = select.filter(category::Column::ParentId.eq(parent_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &category::Model| row.id.uuid();
        fetch(self.db.read(), select, category::Column::Id, id_of, "categories", &request).await
    }

    pub(crate) async fn category(&self, id: CategoryId) -> Result<category::Model> {
        let category = category::Entity::find_by_id(id).one(self.db.read()).await?;
        category.ok_or_else(|| kernel::Error::not_found("category", id))
    }

    pub(crate) async fn create_category(&self, ctx: &Ctx, new: NewCategory) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        check_category(&tx, new.parent_id, "/parent_id").await?;
        let code = String::from(new.code);
        let model = category::Model {
            id: CategoryId::new(),
            code: code.clone(),
            name: new.name.into(),
            parent_id: new.parent_id,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        let taken = || Error::CategoryCodeTaken { code }.into();
        let inserted = model.into_active_model().insert(&*tx).await.or_conflict(taken)?;
        let category = Category::from(inserted);
        tx.audit_new("category", category.id.uuid(), &category)?;
        let location = format!("/api/v1/inventory/categories/{}", category.id);
        tx.reply(Reply::created(&category, location)).await
    }

    pub(crate) async fn update_category(
        &self,
        ctx: &Ctx,
        id: CategoryId,
        patch: CategoryPatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<category::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("category", id))?;
        ctx.check_version(before.version)?;
        let mut after = before.clone();
        if let Some(name) = patch.name {
            after.name = name.into();
        }
        // What changes nothing makes no new version.
        if after == before {
            return tx.reply(Reply::ok(&Category::from(before))).await;
        }
        after.version = before.version + 1;
        after.updated_at = tx.now();
        let after = Category::from(after.into_active_model().reset_all().update(&*tx).await?);
        tx.audit("category", id.uuid(), Some(&Category::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

impl From<category::Model> for Category {
    fn from(model: category::Model) -> Self {
        Category {
            id: model.id,
            code: model.code,
            name: model.name,
            parent_id: model.parent_id,
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}
