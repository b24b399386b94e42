//! Products and warehouses as inventory knows them, checked against what was asked for.

use std::collections::{BTreeSet, HashMap};

use contracts::ids::{ProductId, WarehouseId};
use contracts::inventory::{FindProducts, FindWarehouses, ProductInfo};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};

use crate::error::{Error, LineFault};
use crate::service::Service;

/// A line of a request that names a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedLine {
    pub product_id: ProductId,
    pub quantity: Quantity,
}

/// Where such lines stand in the request, and whether they are to be sold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinesAt {
    /// Name of the list.
    pub list: &'static str,
    /// Name of the quantity in a line.
    pub quantity: &'static str,
    /// Whether an inactive product is refused.
    pub only_active: bool,
}

impl Service {
    /// The products of the lines, in their order; 422 with a pointer to each line at fault.
    pub(crate) async fn products_of(
        &self,
        ctx: &Ctx,
        lines: &[AskedLine],
        at: LinesAt,
    ) -> Result<Vec<ProductInfo>> {
        let ids: BTreeSet<_> = lines.iter().map(|line| line.product_id).collect();
        let request = FindProducts { ids: ids.into_iter().collect() };
        let known = self.inventory.products(ctx, request).await?;
        Ok(match_products(known, lines, at)?)
    }

    /// Refuses a warehouse nothing can leave from.
    pub(crate) async fn check_warehouse(&self, ctx: &Ctx, id: WarehouseId) -> Result<()> {
        let found = self.inventory.warehouses(ctx, FindWarehouses { ids: vec![id] }).await?;
        match found.into_iter().find(|warehouse| warehouse.id == id) {
            None => Err(Error::UnknownWarehouse { id }.into()),
            Some(warehouse) if !warehouse.is_active => {
                Err(Error::WarehouseInactive { code: warehouse.code }.into())
            }
            Some(_) => Ok(()),
        }
    }
}

fn match_products(
    known: Vec<ProductInfo>,
    lines: &[AskedLine],
    at: LinesAt,
) -> Result<Vec<ProductInfo>, Error> {
    let known: HashMap<_, _> = known.into_iter().map(|product| (product.id, product)).collect();
    let mut products = Vec::with_capacity(lines.len());
    let mut faults = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, message: String| {
            let pointer = format!("/{}/{index}/{field}", at.list);
            faults.push(LineFault { pointer, code, message });
        };
        let Some(product) = known.get(&line.product_id) else {
            fault("product_id", "unknown_product", format!("no product {}", line.product_id));
            continue;
        };
        if at.only_active && !product.is_active {
            let message = format!("{} is not active", product.sku);
            fault("product_id", "product_inactive", message);
        } else if is_too_fine(line.quantity, product.unit_decimals) {
            let message = format!(
                "{} comes in {} with at most {} decimals",
                product.sku, product.unit, product.unit_decimals
            );
            fault(at.quantity, "quantity_too_fine", message);
        }
        products.push(product.clone());
    }
    if faults.is_empty() { Ok(products) } else { Err(Error::Lines(faults)) }
}

/// Whether a quantity has more decimals than its unit.
fn is_too_fine(quantity: Quantity, unit_decimals: u8) -> bool {
    let spare = Quantity::SCALE.saturating_sub(unit_decimals.into());
    quantity.micros() % 10_i64.pow(spare) != 0
}

#[cfg(test)]
mod tests {
    use kernel::text::Code;

    use super::*;

    #[test]
    fn a_quantity_is_as_fine_as_its_unit_and_no_finer() {
        let check = |text: &str, unit_decimals: u8, expected: bool| {
            let quantity = text.parse().expect(text);
            assert_eq!(is_too_fine(quantity, unit_decimals), expected, "{text} {unit_decimals}");
        };
        check("3", 0, false);
        check("3.5", 0, true);
        check("3.5", 1, false);
        check("3.25", 1, true);
        check("0.000001", 5, true);
        check("0.000001", 6, false);
        check("0.000001", 7, false);
    }

    #[test]
    fn every_line_at_fault_is_pointed_at() {
        let product = |id, is_active| ProductInfo {
            id,
            sku: "A".into(),
            name: "A".into(),
            unit: "pcs".into(),
            unit_decimals: 0,
            tax_class: Code::parse("standard").expect("a code"),
            is_active,
            is_kit: false,
        };
        let (good, idle) = (ProductId::new(), ProductId::new());
        let line = |product_id, quantity: &str| AskedLine {
            product_id,
            quantity: quantity.parse().expect("a quantity"),
        };
        let lines =
            [line(good, "1"), line(ProductId::new(), "1"), line(idle, "1"), line(good, "0.5")];
        let known = vec![product(good, true), product(idle, false)];
        let at = LinesAt { list: "lines", quantity: "quantity", only_active: true };
        let Err(Error::Lines(faults)) = match_products(known.clone(), &lines, at) else {
            panic!("three lines are at fault");
        };
        let found: Vec<_> = faults.iter().map(|f| (f.pointer.as_str(), f.code)).collect();
        assert_eq!(
            found,
            [
                ("/lines/1/product_id", "unknown_product"),
                ("/lines/2/product_id", "product_inactive"),
                ("/lines/3/quantity", "quantity_too_fine"),
            ]
        );
        let at = LinesAt { only_active: false, ..at };
        let idle_too = match_products(known, &lines[2..3], at).expect("inactive may be priced");
        assert_eq!(idle_too[0].id, idle);
    }
}
