//! The lines of a draft: looked up, totalled, stored.

use std::collections::{BTreeSet, HashMap};

use contracts::billing::{CalculateTotals, LineToTotal, RoundingMode, Totals};
use contracts::ids::{ProductId, PurchaseOrderId, PurchaseOrderLineId, WarehouseId};
use contracts::inventory::{FindProducts, FindWarehouses, ProductInfo};
use kernel::db::{Tx, insert_all};
use kernel::money::{Currency, Percent};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::NotSet;
use sea_orm::IntoActiveModel;

use crate::entities::purchase_order_line;
use crate::error::{Error, LineFault};
use crate::routes::purchase_orders::NewPurchaseOrderLine;
use crate::service::{Service, check_line_count, is_fine_enough};

/// Lines with everything they copy from elsewhere.
#[derive(Debug)]
pub(crate) struct DraftLines {
    lines: Vec<(NewPurchaseOrderLine, ProductInfo)>,
    pub totals: Totals,
}

impl Service {
    /// Looks up the products and what the lines come to. `rounding_mode`: the order's own,
    /// once it has one.
    pub(crate) async fn draft_lines(
        &self,
        ctx: &Ctx,
        currency: Currency,
        rounding_mode: Option<RoundingMode>,
        lines: &[NewPurchaseOrderLine],
    ) -> Result<DraftLines> {
        check_line_count(lines.len())?;
        let ids = lines.iter().map(|line| line.product_id).collect::<BTreeSet<_>>();
        let request = FindProducts { ids: ids.into_iter().collect() };
        let products = self.inventory.products(ctx, request).await?;
        let products = products.into_iter().map(|product| (product.id, product)).collect();
        let lines = match_products(lines, &products)?;
        let to_total = lines.iter().map(|(line, product)| LineToTotal {
            quantity: line.quantity.get(),
            unit_price: line.unit_price,
            discount: Percent::ZERO,
            tax_class: product.tax_class.clone(),
        });
        let request = CalculateTotals {
            currency,
            prices_include_tax: false,
            rounding_mode,
            lines: to_total.collect(),
        };
        let totals = self.billing.calculate_totals(ctx, request).await?;
        if lines.len() != totals.lines.len() {
            return Err(kernel::Error::internal("billing totalled another number of lines"));
        }
        Ok(DraftLines { lines, totals })
    }

    /// A warehouse goods can be received at.
    pub(crate) async fn check_warehouse(&self, ctx: &Ctx, id: WarehouseId) -> Result<()> {
        let found = self.inventory.warehouses(ctx, FindWarehouses { ids: vec![id] }).await?;
        match found.into_iter().find(|warehouse| warehouse.id == id) {
            None => Err(Error::UnknownWarehouse(id).into()),
            Some(warehouse) if !warehouse.is_active => {
                Err(Error::WarehouseInactive { code: warehouse.code }.into())
            }
            Some(_) => Ok(()),
        }
    }
}

/// Each line with its product, or everything that is wrong with them.
fn match_products(
    lines: &[NewPurchaseOrderLine],
    products: &HashMap<ProductId, ProductInfo>,
) -> Result<Vec<(NewPurchaseOrderLine, ProductInfo)>, Error> {
    let mut faults = Vec::new();
    let mut matched = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let fault = |code, message| LineFault { index, field: "product_id", code, message };
        match products.get(&line.product_id) {
            None => faults
                .push(fault("unknown_product", format!("there is no product {}", line.product_id))),
            Some(product) if !product.is_active => faults.push(fault(
                "product_inactive",
                format!("{} is not active: nothing more is ordered of it", product.sku),
            )),
            Some(product) if product.is_kit => faults.push(fault(
                "product_is_kit",
                format!("{} is a kit: what it is made of is ordered", product.sku),
            )),
            Some(product) => {
                let decimals = product.unit_decimals.into();
                if !is_fine_enough(line.quantity.get().micros(), decimals) {
                    faults.push(too_fine(index, decimals));
                }
                matched.push((*line, product.clone()));
            }
        }
    }
    if faults.is_empty() { Ok(matched) } else { Err(Error::Lines(faults)) }
}

/// A quantity with more decimals than its unit has.
pub(crate) fn too_fine(index: usize, decimals: i64) -> LineFault {
    LineFault {
        index,
        field: "quantity",
        code: "quantity_too_fine",
        message: format!("a quantity of this line has at most {decimals} decimals"),
    }
}

/// Stores the lines of a draft that has none.
pub(crate) async fn insert_lines(
    tx: &Tx,
    id: PurchaseOrderId,
    draft: DraftLines,
) -> Result<Vec<purchase_order_line::Model>> {
    let lines: Vec<purchase_order_line::Model> = draft
        .lines
        .into_iter()
        .zip(&draft.totals.lines)
        .zip(1..)
        .map(|(((line, product), totals), position)| purchase_order_line::Model {
            id: PurchaseOrderLineId::new(),
            purchase_order_id: id,
            position,
            product_id: product.id,
            sku: product.sku,
            name: product.name,
            unit: product.unit,
            unit_decimals: product.unit_decimals.into(),
            unit_price: line.unit_price,
            tax_class: product.tax_class.into(),
            tax_rate: totals.tax_rate,
            net_minor: totals.net.minor(),
            tax_minor: totals.tax.minor(),
            total_minor: totals.total.minor(),
            ordered: line.quantity.get(),
            received: Quantity::ZERO,
            short_closed: Quantity::ZERO,
            on_bills: Quantity::ZERO,
            open: line.quantity.get(),
            billed: Quantity::ZERO,
        })
        .collect();
    let rows = lines.iter().cloned().map(|line| purchase_order_line::ActiveModel {
        // The database computes these.
        open: NotSet,
        billed: NotSet,
        ..line.into_active_model()
    });
    insert_all(&**tx, rows).await?;
    Ok(lines)
}
