//! The lines of a draft: looked up, priced, totalled, stored.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;
use contracts::billing::{CalculateTotals, LineToTotal, RoundingMode, Totals};
use contracts::common::TaxClass;
use contracts::ids::{CustomerId, OrderId, OrderLineId, ProductId, WarehouseId};
use contracts::inventory::{FindProducts, FindWarehouses, ProductInfo};
use contracts::sales::{LineToPrice, PriceLines, QuotedLine};
use kernel::db::Tx;
use kernel::money::{Currency, Percent, UnitPrice};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::NotSet;
use sea_orm::IntoActiveModel;

use crate::entities::{order_line, order_tax};
use crate::error::{Error, LineFault};
use crate::routes::orders::NewOrderLine;
use crate::service::view::tax_class;
use crate::service::{Service, check_line_count, is_fine_enough};

/// A line with everything it copies from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct DraftLine {
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub unit_decimals: i64,
    pub tax_class: TaxClass,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub discount: Percent,
}

/// For whom, in what and when lines are priced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pricing {
    pub customer_id: CustomerId,
    pub currency: Currency,
    pub on: NaiveDate,
}

impl Service {
    /// Looks up the products and, where a line brings no price of its own, the price.
    pub(crate) async fn draft_lines(
        &self,
        ctx: &Ctx,
        pricing: Pricing,
        lines: &[NewOrderLine],
    ) -> Result<Vec<DraftLine>> {
        check_line_count(lines.len())?;
        let products = self.find_products(ctx, lines.iter().map(|line| line.product_id)).await?;
        check_lines(lines, &products)?;
        let prices = self.find_prices(ctx, pricing, lines).await?;
        let mut unpriced = Vec::new();
        let mut drafts = Vec::with_capacity(lines.len());
        for (index, (line, price)) in lines.iter().zip(prices).enumerate() {
            let Some(product) = products.get(&line.product_id) else { continue };
            let Some(unit_price) = price else {
                unpriced.push(LineFault {
                    index,
                    field: "unit_price",
                    code: "no_price",
                    message: format!("no price list of the customer has {}", product.sku),
                });
                continue;
            };
            drafts.push(DraftLine {
                product_id: product.id,
                sku: product.sku.clone(),
                name: product.name.clone(),
                unit: product.unit.clone(),
                unit_decimals: product.unit_decimals.into(),
                tax_class: product.tax_class.clone(),
                quantity: line.quantity.get(),
                unit_price,
                discount: line.discount.unwrap_or(Percent::ZERO),
            });
        }
        if unpriced.is_empty() { Ok(drafts) } else { Err(Error::Lines(unpriced).into()) }
    }

    /// The lines of a quotation: everything as the customer accepted it.
    pub(crate) async fn quoted_lines(
        &self,
        ctx: &Ctx,
        lines: Vec<QuotedLine>,
    ) -> Result<Vec<DraftLine>> {
        let products = self.find_products(ctx, lines.iter().map(|line| line.product_id)).await?;
        let drafts = lines.into_iter().enumerate().map(|(index, line)| {
            let product = products
                .get(&line.product_id)
                .ok_or_else(|| Error::Lines(vec![unknown_product(index, line.product_id)]))?;
            Ok(DraftLine {
                product_id: line.product_id,
                sku: line.sku,
                name: line.name,
                unit: line.unit,
                unit_decimals: product.unit_decimals.into(),
                tax_class: line.tax_class,
                quantity: line.quantity,
                unit_price: line.unit_price,
                discount: line.discount,
            })
        });
        drafts.collect()
    }

    /// What the lines come to. `rounding_mode`: the order's own, once it has one.
    pub(crate) async fn total_draft(
        &self,
        ctx: &Ctx,
        currency: Currency,
        prices_include_tax: bool,
        rounding_mode: Option<RoundingMode>,
        lines: &[DraftLine],
    ) -> Result<Totals> {
        let lines = lines.iter().map(|line| LineToTotal {
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_class: line.tax_class.clone(),
        });
        let request =
            CalculateTotals { currency, prices_include_tax, rounding_mode, lines: lines.collect() };
        self.billing.calculate_totals(ctx, request).await
    }

    /// A warehouse goods can be sent from.
    pub(crate) async fn check_warehouse(&self, ctx: &Ctx, id: WarehouseId) -> Result<()> {
        let found = self.inventory.warehouses(ctx, FindWarehouses { ids: vec![id] }).await?;
        match found.into_iter().find(|warehouse| warehouse.id == id) {
            None => Err(Error::UnknownWarehouse(id).into()),
            Some(warehouse) if !warehouse.is_active => {
                Err(Error::InactiveWarehouse { code: warehouse.code }.into())
            }
            Some(_) => Ok(()),
        }
    }

    async fn find_products(
        &self,
        ctx: &Ctx,
        ids: impl Iterator<Item = ProductId>,
    ) -> Result<HashMap<ProductId, ProductInfo>> {
        let ids = ids.collect::<BTreeSet<_>>().into_iter().collect();
        let found = self.inventory.products(ctx, FindProducts { ids }).await?;
        Ok(found.into_iter().map(|product| (product.id, product)).collect())
    }

    /// The price of each line: its own, or its customer's; `None` where there is none.
    async fn find_prices(
        &self,
        ctx: &Ctx,
        pricing: Pricing,
        lines: &[NewOrderLine],
    ) -> Result<Vec<Option<UnitPrice>>> {
        let to_price: Vec<_> = lines
            .iter()
            .filter(|line| line.unit_price.is_none())
            .map(|line| LineToPrice { product_id: line.product_id, quantity: line.quantity.get() })
            .collect();
        let mut found = if to_price.is_empty() {
            Vec::new().into_iter()
        } else {
            let Pricing { customer_id, currency, on } = pricing;
            let request = PriceLines { customer_id, currency, on, lines: to_price };
            self.sales.price_lines(ctx, request).await?.into_iter()
        };
        let priced = lines.iter().map(|line| {
            line.unit_price.or_else(|| found.next().flatten().map(|priced| priced.unit_price))
        });
        Ok(priced.collect())
    }
}

fn check_lines(
    lines: &[NewOrderLine],
    products: &HashMap<ProductId, ProductInfo>,
) -> Result<(), Error> {
    let mut faults = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match products.get(&line.product_id) {
            None => faults.push(unknown_product(index, line.product_id)),
            Some(product) if !product.is_active => faults.push(LineFault {
                index,
                field: "product_id",
                code: "product_inactive",
                message: format!("the product {} is not sold any more", product.sku),
            }),
            Some(product)
                if !is_fine_enough(line.quantity.get().micros(), product.unit_decimals.into()) =>
            {
                faults.push(too_fine(index, product.unit_decimals.into()));
            }
            Some(_) => {}
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Lines(faults)) }
}

fn unknown_product(index: usize, id: ProductId) -> LineFault {
    LineFault {
        index,
        field: "product_id",
        code: "unknown_product",
        message: format!("there is no product {id}"),
    }
}

/// A quantity with more decimals than its unit has.
pub(crate) fn too_fine(index: usize, decimals: i64) -> LineFault {
    let message = Error::QuantityTooFine { decimals }.to_string();
    LineFault { index, field: "quantity", code: "quantity_too_fine", message }
}

/// Existing lines of a draft, as they were priced.
pub(crate) fn drafts_of(lines: &[order_line::Model]) -> Result<Vec<DraftLine>> {
    let drafts = lines.iter().map(|line| {
        Ok(DraftLine {
            product_id: line.product_id,
            sku: line.sku.clone(),
            name: line.name.clone(),
            unit: line.unit.clone(),
            unit_decimals: line.unit_decimals,
            tax_class: tax_class(&line.tax_class)?,
            quantity: line.ordered,
            unit_price: line.unit_price,
            discount: line.discount,
        })
    });
    drafts.collect()
}

/// Stores the lines and taxes of a draft that has none.
pub(crate) fn insert_lines(
    tx: &Tx,
    order_id: OrderId,
    lines: Vec<DraftLine>,
    totals: &Totals,
) -> Result<(Vec<order_line::Model>, Vec<order_tax::Model>)> {
    if lines.len() != totals.lines.len() {
        return Err(kernel::Error::internal("billing totalled another number of lines"));
    }
    let lines: Vec<order_line::Model> = lines
        .into_iter()
        .zip(&totals.lines)
        .zip(1..)
        .map(|((line, totals), position)| order_line::Model {
            id: OrderLineId::new(),
            order_id,
            position,
            product_id: line.product_id,
            sku: line.sku,
            name: line.name,
            unit: line.unit,
            unit_decimals: line.unit_decimals,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_class: line.tax_class.into(),
            tax_rate: totals.tax_rate,
            net_minor: totals.net.minor(),
            tax_minor: totals.tax.minor(),
            total_minor: totals.total.minor(),
            ordered: line.quantity,
            reserved: Quantity::ZERO,
            backordered: Quantity::ZERO,
            picked: Quantity::ZERO,
            shipped: Quantity::ZERO,
            cancelled: Quantity::ZERO,
            invoiced: Quantity::ZERO,
            returned: Quantity::ZERO,
            credited: Quantity::ZERO,
            promised_on: None,
            unallocated: line.quantity,
        })
        .collect();
    let rows = lines.iter().cloned().map(|line| order_line::ActiveModel {
        // The database computes it.
        unallocated: NotSet,
        ..line.into_active_model()
    });
    tx.insert_late(rows)?;
    let taxes: Vec<order_tax::Model> = totals
        .taxes
        .iter()
        .map(|tax| order_tax::Model {
            order_id,
            tax_class: tax.tax_class.to_string(),
            rate: tax.rate,
            base_minor: tax.base.minor(),
            tax_minor: tax.tax.minor(),
        })
        .collect();
    tx.insert_late(taxes.iter().cloned().map(IntoActiveModel::into_active_model))?;
    Ok((lines, taxes))
}
