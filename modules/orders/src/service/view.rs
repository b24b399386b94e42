//! From rows to what the API shows.

use contracts::billing::{RoundingMode, TaxTotal};
use contracts::common::TaxClass;
use contracts::sales::CustomerInfo;
use kernel::money::{Currency, Money};
use kernel::{Error, Result};

use crate::entities::{order, order_line, order_tax};
use crate::routes::orders::types::{
    LineCounters, Order, OrderCustomer, OrderLine, OrderSummary, OrderTotals,
};
use crate::service::document::Document;
use crate::service::status::allowed_actions;

impl order::Model {
    /// The customer as they were, with the order's own shipping address.
    pub(crate) fn customer_info(&self) -> Result<CustomerInfo> {
        Ok(serde_json::from_str(&self.customer)?)
    }

    pub(crate) fn rounding(&self) -> Result<RoundingMode> {
        match self.rounding_mode.as_str() {
            "per_document" => Ok(RoundingMode::PerDocument),
            "per_line" => Ok(RoundingMode::PerLine),
            other => Err(Error::internal(format!("{other} is no rounding mode"))),
        }
    }

    pub(crate) fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency)
    }

    /// The order for a list. `has_packed`: some shipment of it is packed.
    pub(crate) fn summary(&self, has_packed: bool) -> Result<OrderSummary> {
        let customer = self.customer_info()?;
        Ok(OrderSummary {
            id: self.id,
            number: self.number.clone(),
            status: self.status,
            fulfilment_status: self.fulfilment_status,
            billing_status: self.billing_status,
            payment_status: self.payment_status,
            quotation_id: self.quotation_id,
            customer: order_customer(&customer),
            warehouse_id: self.warehouse_id,
            customer_reference: self.customer_reference.clone(),
            ordered_on: self.ordered_on,
            currency: self.currency,
            net: self.money(self.net_minor),
            tax: self.money(self.tax_minor),
            total: self.money(self.total_minor),
            invoiced: self.money(self.invoiced_minor),
            credited: self.money(self.credited_minor),
            paid: self.money(self.paid_minor),
            refunded: self.money(self.refunded_minor),
            allowed_actions: allowed_actions(self.status, self.fulfilment_status, has_packed),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

impl Document {
    /// The order with its lines.
    pub(crate) fn view(&self) -> Result<Order> {
        self.view_with(Vec::new())
    }

    /// The order with its lines and what was noticed about it.
    pub(crate) fn view_with(&self, warnings: Vec<&'static str>) -> Result<Order> {
        let order = &self.order;
        let customer = order.customer_info()?;
        let taxes = self.taxes.iter().map(|tax| tax_total(tax, order.currency));
        Ok(Order {
            id: order.id,
            number: order.number.clone(),
            status: order.status,
            fulfilment_status: order.fulfilment_status,
            billing_status: order.billing_status,
            payment_status: order.payment_status,
            quotation_id: order.quotation_id,
            customer: order_customer(&customer),
            shipping_address: customer.shipping_address,
            warehouse_id: order.warehouse_id,
            customer_reference: order.customer_reference.clone(),
            ordered_on: order.ordered_on,
            allow_backorder: order.allow_backorder,
            prices_include_tax: order.prices_include_tax,
            currency: order.currency,
            rounding_mode: order.rounding()?,
            totals: OrderTotals {
                net: order.money(order.net_minor),
                tax: order.money(order.tax_minor),
                total: order.money(order.total_minor),
                taxes: taxes.collect::<Result<_>>()?,
            },
            invoiced: order.money(order.invoiced_minor),
            credited: order.money(order.credited_minor),
            paid: order.money(order.paid_minor),
            refunded: order.money(order.refunded_minor),
            lines: self.lines.iter().map(|line| order_line(line, order.currency)).collect(),
            allowed_actions: allowed_actions(
                order.status,
                order.fulfilment_status,
                self.has_packed(),
            ),
            warnings,
            confirmed_at: order.confirmed_at,
            completed_at: order.completed_at,
            cancelled_at: order.cancelled_at,
            version: order.version,
            created_at: order.created_at,
            updated_at: order.updated_at,
        })
    }
}

/// A tax class as stored; it was checked when it was written.
pub(crate) fn tax_class(text: &str) -> Result<TaxClass> {
    TaxClass::parse(text).map_err(Error::internal)
}

fn order_customer(customer: &CustomerInfo) -> OrderCustomer {
    OrderCustomer {
        id: customer.id,
        number: customer.number.clone(),
        name: customer.name.clone(),
        payment_terms_days: customer.payment_terms_days,
        billing_address: customer.billing_address.clone(),
    }
}

fn tax_total(tax: &order_tax::Model, currency: Currency) -> Result<TaxTotal> {
    Ok(TaxTotal {
        tax_class: tax_class(&tax.tax_class)?,
        rate: tax.rate,
        base: Money::new(tax.base_minor, currency),
        tax: Money::new(tax.tax_minor, currency),
    })
}

fn order_line(line: &order_line::Model, currency: Currency) -> OrderLine {
    OrderLine {
        id: line.id,
        position: line.position,
        product_id: line.product_id,
        sku: line.sku.clone(),
        name: line.name.clone(),
        unit: line.unit.clone(),
        unit_price: line.unit_price,
        discount: line.discount,
        tax_class: line.tax_class.clone(),
        tax_rate: line.tax_rate,
        net: Money::new(line.net_minor, currency),
        tax: Money::new(line.tax_minor, currency),
        total: Money::new(line.total_minor, currency),
        promised_on: line.promised_on.filter(|_| line.backordered.is_positive()),
        counters: LineCounters {
            ordered: line.ordered,
            unallocated: line.unallocated,
            reserved: line.reserved,
            backordered: line.backordered,
            picked: line.picked,
            shipped: line.shipped,
            cancelled: line.cancelled,
            invoiced: line.invoiced,
            returned: line.returned,
            credited: line.credited,
        },
    }
}
