//! From rows to what the API shows.

use contracts::billing::RoundingMode;
use contracts::common::TaxClass;
use kernel::money::{Currency, Money};
use kernel::quantity::Quantity;
use kernel::{Error, Result};

use crate::entities::{purchase_order, purchase_order_line};
use crate::routes::purchase_orders::types::{
    PurchaseOrder, PurchaseOrderLine, PurchaseOrderSummary,
};
use crate::service::document::Document;
use crate::service::status::allowed_actions;

impl purchase_order::Model {
    pub(crate) fn rounding(&self) -> Result<RoundingMode> {
        match self.rounding_mode.as_str() {
            "per_document" => Ok(RoundingMode::PerDocument),
            "per_line" => Ok(RoundingMode::PerLine),
            other => Err(Error::internal(format!("{other} is no rounding mode"))),
        }
    }

    fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency)
    }

    /// The order for a list.
    pub(crate) fn summary(self) -> PurchaseOrderSummary {
        PurchaseOrderSummary {
            id: self.id,
            status: self.status,
            receipt_status: self.receipt_status,
            billing_status: self.billing_status,
            supplier_id: self.supplier_id,
            warehouse_id: self.warehouse_id,
            ordered_on: self.ordered_on,
            expected_on: self.expected_on,
            currency: self.currency,
            net: self.money(self.net_minor),
            tax: self.money(self.tax_minor),
            total: self.money(self.total_minor),
            allowed_actions: allowed_actions(self.status, self.receipt_status),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            number: self.number,
            supplier_name: self.supplier_name,
        }
    }
}

impl Document {
    /// The order with its lines.
    pub(crate) fn view(&self) -> PurchaseOrder {
        let order = &self.order;
        PurchaseOrder {
            id: order.id,
            number: order.number.clone(),
            status: order.status,
            receipt_status: order.receipt_status,
            billing_status: order.billing_status,
            supplier_id: order.supplier_id,
            supplier_name: order.supplier_name.clone(),
            payment_terms_days: order.payment_terms_days as u16,
            warehouse_id: order.warehouse_id,
            ordered_on: order.ordered_on,
            expected_on: order.expected_on,
            currency: order.currency,
            lines: self.lines.iter().map(|line| view_line(line, order.currency)).collect(),
            net: order.money(order.net_minor),
            tax: order.money(order.tax_minor),
            total: order.money(order.total_minor),
            allowed_actions: allowed_actions(order.status, order.receipt_status),
            approved_at: order.approved_at,
            sent_at: order.sent_at,
            closed_at: order.closed_at,
            cancelled_at: order.cancelled_at,
            version: order.version,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

fn view_line(line: &purchase_order_line::Model, currency: Currency) -> PurchaseOrderLine {
    let money = |minor| Money::new(minor, currency);
    PurchaseOrderLine {
        id: line.id,
        product_id: line.product_id,
        sku: line.sku.clone(),
        name: line.name.clone(),
        unit: line.unit.clone(),
        tax_class: line.tax_class.clone(),
        unit_price: line.unit_price,
        net: money(line.net_minor),
        tax: money(line.tax_minor),
        total: money(line.total_minor),
        ordered: line.ordered,
        received: line.received,
        open: line.open,
        billed: line.billed,
        billed_ahead: Quantity::from_micros(line.on_bills.micros() - line.billed.micros()),
        short_closed: line.short_closed,
    }
}

/// A tax class as it was stored.
pub(crate) fn tax_class(text: &str) -> Result<TaxClass> {
    TaxClass::parse(text).map_err(Error::internal)
}

/// How a rounding mode is stored.
pub(crate) fn rounding_mode_text(mode: RoundingMode) -> &'static str {
    match mode {
        RoundingMode::PerDocument => "per_document",
        RoundingMode::PerLine => "per_line",
    }
}
