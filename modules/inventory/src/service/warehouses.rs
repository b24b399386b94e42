//! Where stock is kept.

use contracts::ids::WarehouseId;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::warehouse;
use crate::error::Error;
use crate::routes::warehouses::{ListWarehouses, NewWarehouse, Warehouse, WarehousePatch};
use crate::service::Service;

impl Service {
    pub(crate) async fn list_warehouses(
        &self,
        ctx: &Ctx,
        query: ListWarehouses,
    ) -> Result<Page<warehouse::Model>> {
        // That of what is in transit is nothing to choose from.
        let mut select = warehouse::Entity::find().filter(warehouse::Column::IsTransit.eq(false));
        if let Some(code) = query.code {
            select = select.filter(warehouse::Column::Code.eq(String::from(code)));
        }
        if let Some(is_active) = query.is_active {
            select = select.filter(warehouse::Column::IsActive.eq(is_active));
        }
        select = ctx.scope.filter(select, warehouse::Column::Id);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &warehouse::Model| row.id.uuid();
        fetch(self.db.read(), select, warehouse::Column::Id, id_of, "warehouses", &request).await
    }

    pub(crate) async fn warehouse(&self, id: WarehouseId) -> Result<warehouse::Model> {
        let warehouse = warehouse::Entity::find_by_id(id).one(self.db.read()).await?;
        warehouse.ok_or_else(|| kernel::Error::not_found("warehouse", id))
    }

    pub(crate) async fn create_warehouse(&self, ctx: &Ctx, new: NewWarehouse) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let code = String::from(new.code);
        let model = warehouse::ActiveModel {
            id: Set(WarehouseId::new()),
            code: Set(code.clone()),
            name: Set(new.name.into()),
            is_active: Set(true),
            is_transit: Set(false),
            has_locations: Set(false),
            allows_negative: Set(false),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        };
        let taken = || Error::WarehouseCodeTaken { code }.into();
        let warehouse = Warehouse::from(model.insert(&*tx).await.or_conflict(taken)?);
        tx.audit_new("warehouse", warehouse.id.uuid(), &warehouse)?;
        let location = format!("/api/v1/inventory/warehouses/{}", warehouse.id);
        tx.reply(Reply::created(&warehouse, location)).await
    }

    pub(crate) async fn update_warehouse(
        &self,
        ctx: &Ctx,
        id: WarehouseId,
        patch: WarehousePatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<warehouse::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("warehouse", id))?;
        ctx.check_version(before.version)?;
        if before.is_transit {
            return Err(Error::WarehouseOfTransit.into());
        }
        let mut after = before.clone();
        if let Some(name) = patch.name {
            after.name = name.into();
        }
        if let Some(is_active) = patch.is_active {
            after.is_active = is_active;
        }
        // What changes nothing makes no new version.
        if after == before {
            return tx.reply(Reply::ok(&Warehouse::from(before))).await;
        }
        after.version = before.version + 1;
        after.updated_at = tx.now();
        let after = after.into_active_model().reset_all().update(&*tx).await?;
        let after = Warehouse::from(after);
        tx.audit("warehouse", id.uuid(), Some(&Warehouse::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

impl From<warehouse::Model> for Warehouse {
    fn from(model: warehouse::Model) -> Self {
        Warehouse {
            id: model.id,
            code: model.code,
            name: model.name,
            is_active: model.is_active,
            is_transit: model.is_transit,
            allows_negative: model.allows_negative,
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}
