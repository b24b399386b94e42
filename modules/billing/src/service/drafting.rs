//! What is shipped is invoiced: the draft made of a shipment.

use contracts::events::ShipmentShipped;
use contracts::ids::{InvoiceId, InvoiceLineId};
use kernel::Result;
use kernel::db::Tx;
use kernel::events::Event;
use kernel::quantity::Quantity;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::entities::invoice::InvoiceStatus;
use crate::entities::{invoice, invoice_line};
use crate::error::Error;
use crate::routes::documents::BilledCustomer;
use crate::service::presenting::present_invoice as present;
use crate::service::tax_rates::TaxTable;
use crate::service::totals::{Line, Terms, calculate};
use crate::service::{Service, insert_all};

impl Service {
    /// Drafts the invoice of a shipment, once. Rates are those of now; rounding is that of
    /// the order.
    pub(crate) async fn draft_invoice(
        &self,
        event: &Event,
        shipped: ShipmentShipped,
    ) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let of_shipment = invoice::Column::ShipmentId.eq(shipped.shipment_id);
        if invoice::Entity::find().filter(of_shipment).count(&*tx).await? > 0 {
            return tx.commit().await;
        }
        self.check_currency(shipped.currency, "/currency")?;
        let (row, lines) = self.draft(&tx, shipped).await?;
        insert_all(&tx, [row.clone()]).await?;
        insert_all(&tx, lines.clone()).await?;
        let id = row.id.uuid();
        tx.audit_new("invoice", id, &present(row, Some(&lines))?)?;
        tx.commit().await
    }

    async fn draft(
        &self,
        tx: &Tx,
        shipped: ShipmentShipped,
    ) -> Result<(invoice::Model, Vec<invoice_line::Model>)> {
        let id = InvoiceId::new();
        let terms = Terms {
            currency: shipped.currency,
            rounding: self.company.rounding,
            rounding_mode: shipped.rounding_mode,
            prices_include_tax: shipped.prices_include_tax,
        };
        let taxes = TaxTable::load_in(tx).await?;
        let to_total = shipped.lines.iter().enumerate().map(|(index, line)| {
            Ok(Line {
                quantity: line.quantity,
                unit_price: line.unit_price,
                discount: line.discount,
                tax_class: &line.tax_class,
                tax_rate: taxes.rate(&line.tax_class, index)?,
            })
        });
        let to_total = to_total.collect::<Result<Vec<_>, Error>>()?;
        let totals = calculate(terms, &to_total).map_err(Error::from)?;
        let lines = shipped.lines.into_iter().zip(&totals.lines).zip(1..);
        let lines = lines.map(|((line, total), position)| invoice_line::Model {
            id: InvoiceLineId::new(),
            invoice_id: id,
            position,
            order_line_id: line.order_line_id,
            product_id: line.product_id,
            sku: line.sku,
            name: line.name,
            unit: line.unit,
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_class: line.tax_class.into(),
            tax_rate: total.tax_rate,
            net_minor: total.net.minor(),
            tax_minor: total.tax.minor(),
            credited_quantity: Quantity::ZERO,
            credited_net_minor: 0,
            credited_tax_minor: 0,
        });
        let row = invoice::Model {
            id,
            status: InvoiceStatus::Draft,
            number: None,
            series: None,
            seq: None,
            order_id: shipped.order_id,
            order_number: shipped.order_number,
            shipment_id: shipped.shipment_id,
            shipment_number: shipped.number,
            shipped_on: shipped.shipped_on,
            customer_id: shipped.customer.id,
            payment_terms_days: shipped.customer.payment_terms_days.into(),
            customer: serde_json::to_string(&BilledCustomer::from(shipped.customer))?,
            issued_on: None,
            due_on: None,
            currency: shipped.currency,
            prices_include_tax: shipped.prices_include_tax,
            rounding_mode: shipped.rounding_mode.into(),
            rounding: self.company.rounding,
            net_minor: totals.net.minor(),
            tax_minor: totals.tax.minor(),
            total_minor: totals.total.minor(),
            applied_minor: 0,
            credited_minor: 0,
            credit_notes_minor: 0,
            prev_hash: None,
            hash: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        Ok((row, lines.collect()))
    }
}
