//! Products and warehouses a request names.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

use contracts::ids::{ProductId, WarehouseId};
use kernel::db::Tx;
use kernel::quantity::Quantity;
use kernel::token::Scope;
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::entities::{product, warehouse};
use crate::error::Error;

/// The warehouse a request names at `pointer`. That of what is in transit is none of them:
/// only transfers bring goods there.
pub(crate) async fn find_warehouse(
    tx: &Tx,
    id: WarehouseId,
    pointer: &str,
) -> Result<warehouse::Model> {
    let found = find_any_warehouse(tx, id, pointer).await?;
    if !tx.ctx().scope.contains(id.uuid()) {
        let detail = "the caller's permission is for other warehouses";
        let refused = kernel::Error::new(403, "permission_denied", detail);
        return Err(refused.with_field(pointer, "permission_denied", detail));
    }
    Ok(found)
}

/// The same, though it be none of those the caller's permission is for.
pub(crate) async fn find_any_warehouse(
    tx: &Tx,
    id: WarehouseId,
    pointer: &str,
) -> Result<warehouse::Model> {
    let found = warehouse::Entity::find_by_id(id).one(&**tx).await?;
    let found = found.filter(|warehouse| !warehouse.is_transit);
    Ok(found.ok_or_else(|| Error::UnknownWarehouse { pointer: pointer.into() })?)
}

/// 404 unless something is of a warehouse that the caller's permission is for.
pub(crate) fn check_scope(
    ctx: &Ctx,
    of: impl IntoIterator<Item = WarehouseId>,
    what: &'static str,
    id: impl Display,
) -> Result<()> {
    if ctx.scope == Scope::All || of.into_iter().any(|id| ctx.scope.contains(id.uuid())) {
        return Ok(());
    }
    Err(kernel::Error::not_found(what, id))
}

/// The product a request names at `/product_id`, to stock it: no kit.
pub(crate) async fn find_product(tx: &Tx, id: ProductId) -> Result<product::Model> {
    let product = find_any_product(tx, id).await?;
    check_no_kit(&product, "/product_id")?;
    Ok(product)
}

/// The same, though it be a kit.
pub(crate) async fn find_any_product(tx: &Tx, id: ProductId) -> Result<product::Model> {
    let found = product::Entity::find_by_id(id).one(&**tx).await?;
    Ok(found.ok_or_else(|| Error::UnknownProduct { pointer: "/product_id".into() })?)
}

/// A kit is in no warehouse: nothing is done there with it.
pub(crate) fn check_no_kit(product: &product::Model, pointer: &str) -> Result<(), Error> {
    match product.is_kit {
        true => Err(Error::ProductIsKit { pointer: pointer.into(), sku: product.sku.clone() }),
        false => Ok(()),
    }
}

/// The products of the lines of a request, by id; none is a kit.
pub(crate) async fn find_products(
    tx: &Tx,
    lines: &[ProductId],
) -> Result<HashMap<ProductId, product::Model>> {
    let ids: BTreeSet<_> = lines.iter().copied().collect();
    let found = product::Entity::find().filter(product::Column::Id.is_in(ids)).all(&**tx).await?;
    let products: HashMap<_, _> = found.into_iter().map(|row| (row.id, row)).collect();
    for (i, id) in lines.iter().enumerate() {
        let pointer = || format!("/lines/{i}/product_id");
        let product = products.get(id);
        let product = product.ok_or_else(|| Error::UnknownProduct { pointer: pointer() })?;
        check_no_kit(product, &pointer())?;
    }
    Ok(products)
}

/// The products with these SKUs, by SKU.
pub(crate) async fn products_by_sku(
    tx: &Tx,
    skus: impl Iterator<Item = String>,
) -> Result<HashMap<String, product::Model>> {
    let skus: BTreeSet<_> = skus.collect();
    let found = product::Entity::find().filter(product::Column::Sku.is_in(skus)).all(&**tx).await?;
    Ok(found.into_iter().map(|row| (row.sku.clone(), row)).collect())
}

/// Refuses a quantity with more decimals than the unit of the product has.
pub(crate) fn check_fineness(
    product: &product::Model,
    quantity: Quantity,
    pointer: &str,
) -> Result<(), Error> {
    // 0..=6 by a CHECK of the table.
    let spare = Quantity::SCALE.saturating_sub(product.unit_decimals as u32);
    if quantity.micros() % 10_i64.pow(spare) == 0 {
        return Ok(());
    }
    Err(Error::QuantityTooFine {
        pointer: pointer.into(),
        sku: product.sku.clone(),
        unit: product.unit.clone(),
        decimals: product.unit_decimals,
    })
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::entities::product::{Costing, NegativeStock, Picking, Tracking};

    #[test]
    fn a_quantity_is_no_finer_than_its_unit() {
        let check = |decimals: i64, quantity: &str, ok: bool| {
            let product = product::Model {
                id: ProductId::new(),
                sku: "A".into(),
                name: "A".into(),
                description: None,
                barcode: None,
                unit: "kg".into(),
                unit_decimals: decimals,
                tax_class: "standard".into(),
                is_active: true,
                category_id: None,
                external_id: None,
                template_id: None,
                options: None,
                weight_g: None,
                length_mm: None,
                width_mm: None,
                height_mm: None,
                is_indexed: true,
                tracking: Tracking::None,
                picking: Picking::Fefo,
                costing: Costing::Average,
                standard_cost: None,
                is_kit: false,
                negative_stock: NegativeStock::Never,
                version: 1,
                created_at: Utc::now(),
                updated_at: Utc::now(),
            };
            let quantity = quantity.parse().expect("a quantity");
            let checked = check_fineness(&product, quantity, "/quantity");
            assert_eq!(checked.is_ok(), ok, "{quantity} at {decimals} decimals");
        };
        check(0, "3", true);
        check(0, "3.5", false);
        check(3, "0.125", true);
        check(3, "-0.125", true);
        check(3, "0.1251", false);
        check(6, "0.000001", true);
    }
}
