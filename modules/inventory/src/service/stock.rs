//! Reading stock levels.

use std::collections::{BTreeSet, HashMap};

use contracts::ids::ProductId;
use kernel::money::Money;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use crate::entities::{product, stock_level, warehouse};
use crate::routes::stock::{Availability, ListStock, StockLevel, WarehouseAvailability};
use crate::service::Service;
use crate::service::level::average_cost;

impl Service {
    pub(crate) async fn list_stock(&self, ctx: &Ctx, query: ListStock) -> Result<Page<StockLevel>> {
        use stock_level::Column;
        let mut select = stock_level::Entity::find();
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        select = ctx.scope.filter(select, Column::WarehouseId);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &stock_level::Model| row.id;
        let page = fetch(self.db.read(), select, Column::Id, id_of, "stock", &request).await?;
        let ids: BTreeSet<_> = page.data.iter().map(|row| row.product_id).collect();
        let products = product::Entity::find()
            .filter(product::Column::Id.is_in(ids))
            .all(self.db.read())
            .await?;
        let products: HashMap<_, _> = products.into_iter().map(|row| (row.id, row)).collect();
        Ok(page.map(|row| {
            // A level has a product by foreign key, and products are never deleted.
            let product = products.get(&row.product_id);
            StockLevel {
                product_id: row.product_id,
                sku: product.map(|p| p.sku.clone()).unwrap_or_default(),
                warehouse_id: row.warehouse_id,
                on_hand: balance(&row),
                reserved: row.reserved,
                blocked: row.blocked,
                available: available(&row),
                backordered: row.backordered,
                unit: product.map(|p| p.unit.clone()).unwrap_or_default(),
                value: Money::new(row.value_minor - row.owed_minor, self.company.currency),
                // Below nothing, of what is owed: one of the two is zero.
                average_cost: average_cost(
                    row.on_hand.max(row.owed),
                    row.value_minor.max(row.owed_minor),
                    &self.company,
                ),
            }
        }))
    }

    pub(crate) async fn availability(
        &self,
        ctx: &Ctx,
        product_id: ProductId,
    ) -> Result<Availability> {
        if self.product(product_id).await?.is_kit {
            return self.availability_of_kit(ctx, product_id).await;
        }
        // What is in transit can be promised to nobody.
        let in_transit = warehouse::Entity::find()
            .select_only()
            .column(warehouse::Column::Id)
            .filter(warehouse::Column::IsTransit.eq(true));
        let levels =
            ctx.scope.filter(stock_level::Entity::find(), stock_level::Column::WarehouseId);
        let rows = levels
            .filter(stock_level::Column::ProductId.eq(product_id))
            .filter(stock_level::Column::WarehouseId.not_in_subquery(in_transit.into_query()))
            .order_by_asc(stock_level::Column::Id)
            .all(self.db.read())
            .await?;
        let sum = |of: fn(&stock_level::Model) -> Quantity| {
            let micros = rows.iter().fold(0_i64, |sum, row| sum.saturating_add(of(row).micros()));
            Quantity::from_micros(micros)
        };
        Ok(Availability {
            product_id,
            on_hand: sum(balance),
            reserved: sum(|row| row.reserved),
            available: sum(available),
            warehouses: rows
                .iter()
                .map(|row| WarehouseAvailability {
                    warehouse_id: row.warehouse_id,
                    on_hand: balance(row),
                    reserved: row.reserved,
                    available: available(row),
                    backordered: row.backordered,
                })
                .collect(),
        })
    }
}

impl Service {
    /// A kit is in no warehouse; it is available as often as it could be made.
    async fn availability_of_kit(&self, ctx: &Ctx, product_id: ProductId) -> Result<Availability> {
        let rows = self.kits_available(ctx, product_id).await?;
        let available = rows.iter().fold(0_i64, |sum, row| sum.saturating_add(row.1.micros()));
        let warehouse = |(warehouse_id, available)| WarehouseAvailability {
            warehouse_id,
            on_hand: Quantity::ZERO,
            reserved: Quantity::ZERO,
            available,
            backordered: Quantity::ZERO,
        };
        Ok(Availability {
            product_id,
            on_hand: Quantity::ZERO,
            reserved: Quantity::ZERO,
            available: Quantity::from_micros(available),
            warehouses: rows.into_iter().map(warehouse).collect(),
        })
    }
}

/// What is on hand, less what is owed.
fn balance(row: &stock_level::Model) -> Quantity {
    Quantity::from_micros(row.on_hand.micros() - row.owed.micros())
}

/// Of what is there: below nothing it is nothing.
fn available(row: &stock_level::Model) -> Quantity {
    // reserved + blocked <= on_hand by a CHECK of the table.
    Quantity::from_micros(row.on_hand.micros() - row.reserved.micros() - row.blocked.micros())
}
