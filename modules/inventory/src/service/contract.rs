//! What inventory promises the other modules.

use async_trait::async_trait;
use contracts::inventory::{
    CheckFit, FindProducts, FindWarehouses, Fit, Inventory, ProductInfo, Release, Reserve,
    Reserved, WarehouseInfo,
};
use kernel::text::Code;
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::entities::{product, warehouse};
use crate::service::Service;

#[async_trait]
impl Inventory for Service {
    async fn products(&self, _: &Ctx, request: FindProducts) -> Result<Vec<ProductInfo>> {
        let rows = product::Entity::find()
            .filter(product::Column::Id.is_in(request.ids))
            .all(self.db.read())
            .await?;
        rows.into_iter().map(product_info).collect()
    }

    async fn warehouses(&self, _: &Ctx, request: FindWarehouses) -> Result<Vec<WarehouseInfo>> {
        let rows = warehouse::Entity::find()
            .filter(warehouse::Column::Id.is_in(request.ids))
            // Nobody buys for it or sells from it.
            .filter(warehouse::Column::IsTransit.eq(false))
            .all(self.db.read())
            .await?;
        Ok(rows.into_iter().map(warehouse_info).collect())
    }

    async fn reserve(&self, ctx: &Ctx, request: Reserve) -> Result<Reserved> {
        self.reserve_for_order(ctx, request).await
    }

    async fn release(&self, ctx: &Ctx, request: Release) -> Result<()> {
        self.release_order(ctx, request).await
    }

    async fn check_fit(&self, _: &Ctx, request: CheckFit) -> Result<Fit> {
        self.fit(request).await
    }
}

fn product_info(row: product::Model) -> Result<ProductInfo> {
    Ok(ProductInfo {
        id: row.id,
        sku: row.sku,
        name: row.name,
        unit: row.unit,
        unit_decimals: row.unit_decimals as u8,
        // Checked when it was written.
        tax_class: Code::parse(&row.tax_class).map_err(kernel::Error::internal)?,
        is_active: row.is_active,
        is_kit: row.is_kit,
    })
}

fn warehouse_info(row: warehouse::Model) -> WarehouseInfo {
    WarehouseInfo { id: row.id, code: row.code, name: row.name, is_active: row.is_active }
}
