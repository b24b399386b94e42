//! What kits are made of, and how many of them could be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::ids::{ProductId, WarehouseId};
use kernel::db::{insert_all, query_all};
use kernel::http::Reply;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

use crate::entities::product::Tracking;
use crate::entities::{kit_component, product, stock_level};
use crate::error::Error;
use crate::routes::product_components::{Component, ProductComponents, SetComponents};
use crate::service::Service;
use crate::service::references::check_fineness;

/// Most components of a kit.
const MAX_COMPONENTS: usize = 50;

type Products = HashMap<ProductId, product::Model>;

impl Service {
    pub(crate) async fn product_components(&self, id: ProductId) -> Result<ProductComponents> {
        let product = self.product(id).await?;
        let conn = self.db.read();
        let components = components_of(conn, id).await?;
        let ids = components.iter().map(|row| row.product_id);
        let found =
            product::Entity::find().filter(product::Column::Id.is_in(ids)).all(conn).await?;
        Ok(present(product, components, &by_id(found)))
    }

    pub(crate) async fn set_product_components(
        &self,
        ctx: &Ctx,
        id: ProductId,
        set: SetComponents,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let had = components_of(&*tx, id).await?;
        // All at once and in their order: none becomes a kit, or is stocked, meanwhile.
        let ids: BTreeSet<_> = [id]
            .into_iter()
            .chain(set.components.iter().map(|component| component.product_id))
            .chain(had.iter().map(|component| component.product_id))
            .collect();
        let rows = product::Entity::find()
            .filter(product::Column::Id.is_in(ids))
            .order_by_asc(product::Column::Id)
            .lock_exclusive()
            .all(&*tx)
            .await?;
        let products = by_id(rows);
        let before = products.get(&id).cloned();
        let before = before.ok_or_else(|| kernel::Error::not_found("product", id))?;
        ctx.check_version(before.version)?;
        let had = components_of(&*tx, id).await?;
        check_components(id, &set, &products)?;
        if !before.is_kit {
            check_kit(&*tx, &before).await?;
        }
        let model = product::ActiveModel {
            is_kit: Set(true),
            version: Set(before.version + 1),
            updated_at: Set(tx.now()),
            ..before.clone().into_active_model()
        };
        let after = model.update(&*tx).await?;
        let of_kit = kit_component::Column::KitId.eq(id);
        kit_component::Entity::delete_many().filter(of_kit).exec(&*tx).await?;
        let components: Vec<_> = set
            .components
            .into_iter()
            .map(|component| kit_component::Model {
                kit_id: id,
                product_id: component.product_id,
                quantity: component.quantity.get(),
            })
            .collect();
        let rows = components.iter().cloned().map(IntoActiveModel::into_active_model);
        insert_all(&*tx, rows).await?;
        let before = present(before, had, &products);
        let after = present(after, components, &products);
        tx.audit("product", id.uuid(), Some(&before), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    /// How many of a kit could be made of what is available, in each warehouse that has met a
    /// component of it.
    pub(crate) async fn kits_available(
        &self,
        ctx: &Ctx,
        kit_id: ProductId,
    ) -> Result<Vec<(WarehouseId, Quantity)>> {
        #[derive(FromQueryResult)]
        struct Row {
            warehouse_id: WarehouseId,
            kits: i64,
        }
        // A component that a warehouse has never met is available at nought there.
        let sql = "SELECT s.warehouse_id, \
                   CAST(CASE WHEN COUNT(*) = (SELECT COUNT(*) FROM kit_components a \
                     WHERE a.kit_id = $1) \
                   THEN MIN((s.on_hand - s.reserved - s.blocked) / c.quantity) ELSE 0 END \
                   AS BIGINT) AS kits \
                   FROM kit_components c JOIN stock_levels s ON s.product_id = c.product_id \
                   JOIN warehouses w ON w.id = s.warehouse_id \
                   WHERE c.kit_id = $1 AND NOT w.is_transit \
                   GROUP BY s.warehouse_id ORDER BY s.warehouse_id";
        let rows: Vec<Row> = query_all(self.db.read(), sql, vec![kit_id.into()]).await?;
        let rows = rows.into_iter().filter(|row| ctx.scope.contains(row.warehouse_id.uuid()));
        Ok(rows.map(|row| (row.warehouse_id, whole(row.kits))).collect())
    }
}

/// So many kits, or as many as a quantity holds.
pub(crate) fn whole(kits: i64) -> Quantity {
    const MOST: i64 = 999_999_999;
    Quantity::from_micros(kits.clamp(-MOST, MOST) * Quantity::ONE.micros())
}

/// What a kit is made of, in the order of the products.
pub(crate) async fn components_of(
    conn: &impl ConnectionTrait,
    kit_id: ProductId,
) -> Result<Vec<kit_component::Model>> {
    let rows = kit_component::Entity::find()
        .filter(kit_component::Column::KitId.eq(kit_id))
        .order_by_asc(kit_component::Column::ProductId)
        .all(conn)
        .await?;
    Ok(rows)
}

fn by_id(rows: Vec<product::Model>) -> Products {
    rows.into_iter().map(|row| (row.id, row)).collect()
}

fn check_components(id: ProductId, set: &SetComponents, products: &Products) -> Result<(), Error> {
    if set.components.is_empty() {
        return Err(Error::NoComponents);
    }
    if set.components.len() > MAX_COMPONENTS {
        return Err(Error::TooManyComponents { most: MAX_COMPONENTS });
    }
    let mut seen = BTreeSet::new();
    for (i, component) in set.components.iter().enumerate() {
        let pointer = format!("/components/{i}/product_id");
        let Some(product) = products.get(&component.product_id) else {
            return Err(Error::UnknownProduct { pointer });
        };
        if !seen.insert(product.id) {
            return Err(Error::DuplicateComponent { pointer });
        }
        if product.is_kit || product.id == id {
            return Err(Error::ComponentIsKit { pointer });
        }
        if !product.is_active {
            return Err(Error::ProductInactive { pointer, sku: product.sku.clone() });
        }
        let pointer = format!("/components/{i}/quantity");
        check_fineness(product, component.quantity.get(), &pointer)?;
    }
    Ok(())
}

/// Whether a product may become a kit.
async fn check_kit(conn: &impl ConnectionTrait, product: &product::Model) -> Result<()> {
    if product.tracking != Tracking::None {
        return Err(Error::KitTracked.into());
    }
    if product.unit_decimals != 0 {
        return Err(Error::KitWithDecimals.into());
    }
    let level = stock_level::Entity::find();
    let level = level.filter(stock_level::Column::ProductId.eq(product.id));
    if level.one(conn).await?.is_some() {
        return Err(Error::KitStocked.into());
    }
    let component = kit_component::Entity::find();
    let component = component.filter(kit_component::Column::ProductId.eq(product.id));
    if component.one(conn).await?.is_some() {
        return Err(Error::KitIsComponent.into());
    }
    Ok(())
}

fn present(
    product: product::Model,
    components: Vec<kit_component::Model>,
    products: &Products,
) -> ProductComponents {
    let components: BTreeMap<_, _> =
        components.into_iter().map(|row| (row.product_id, row.quantity)).collect();
    let component = |(product_id, quantity)| {
        // There by foreign key, and products are never deleted.
        let product = products.get(&product_id);
        Component {
            product_id,
            sku: product.map(|row| row.sku.clone()).unwrap_or_default(),
            quantity,
            unit: product.map(|row| row.unit.clone()).unwrap_or_default(),
        }
    };
    ProductComponents {
        product_id: product.id,
        is_kit: product.is_kit,
        components: components.into_iter().map(component).collect(),
        version: product.version,
    }
}
