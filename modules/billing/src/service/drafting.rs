//! What is shipped is invoiced: the draft made of a shipment, and made anew after it was
//! discarded.

use contracts::billing::{LineTotals, Totals};
use contracts::common::TaxClass;
use contracts::events::ShipmentShipped;
use contracts::ids::{InvoiceId, InvoiceLineId};
use kernel::db::{Column, Tx, Values, execute};
use kernel::events::Event;
use kernel::http::Reply;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};

use crate::entities::invoice::InvoiceStatus;
use crate::entities::{invoice, invoice_line};
use crate::error::Error;
use crate::routes::documents::BilledCustomer;
use crate::service::invoices::{MACHINE, lines_of, lock_invoice, terms};
use crate::service::presenting::present_invoice as present;
use crate::service::tax_rates::{TaxTable, stored_class};
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
        tx.insert_late(lines.iter().cloned().map(IntoActiveModel::into_active_model))?;
        let id = row.id.uuid();
        tx.audit_new("invoice", id, &present(row, Some(&lines))?)?;
        tx.commit().await
    }

    /// Makes a discarded invoice a draft again, as `draft_invoice` would make it now.
    pub(crate) async fn redraft_invoice(&self, ctx: &Ctx, id: InvoiceId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = lock_invoice(&tx, id).await?;
        ctx.check_version(before.version)?;
        let status = MACHINE.apply(before.status, "redraft")?;
        let mut lines = lines_of(&*tx, id).await?;
        let totals = total_anew(&tx, &before, &lines).await?;
        // The lines first: the database checks the invoice against them.
        tax_anew(&tx, &mut lines, &totals.lines).await?;
        let mut model = before.clone().into_active_model();
        model.status = Set(status);
        model.net_minor = Set(totals.net.minor());
        model.tax_minor = Set(totals.tax.minor());
        model.total_minor = Set(totals.total.minor());
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = present(model.update(&*tx).await?, Some(&lines))?;
        tx.audit("invoice", id.uuid(), Some(&present(before, None)?), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
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

/// What the lines come to under the terms of their invoice, at the rates of now.
async fn total_anew(
    tx: &Tx,
    invoice: &invoice::Model,
    lines: &[invoice_line::Model],
) -> Result<Totals> {
    let taxes = TaxTable::load_in(tx).await?;
    let classes = lines.iter().map(|line| stored_class(&line.tax_class));
    let classes = classes.collect::<Result<Vec<TaxClass>>>()?;
    let to_total = lines.iter().zip(&classes).enumerate().map(|(index, (line, tax_class))| {
        Ok(Line {
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_class,
            tax_rate: taxes.rate(tax_class, index)?,
        })
    });
    let to_total = to_total.collect::<Result<Vec<_>, Error>>()?;
    Ok(calculate(terms(invoice), &to_total).map_err(Error::from)?)
}

/// Writes rates and shares of the lines, in one statement.
async fn tax_anew(tx: &Tx, lines: &mut [invoice_line::Model], totals: &[LineTotals]) -> Result<()> {
    for (line, total) in lines.iter_mut().zip(totals) {
        line.tax_rate = total.tax_rate;
        line.net_minor = total.net.minor();
        line.tax_minor = total.tax.minor();
    }
    let rows = lines.iter().map(|line| {
        let rate = line.tax_rate.ppm();
        vec![line.id.into(), rate.into(), line.net_minor.into(), line.tax_minor.into()]
    });
    let columns = [
        ("id", Column::Uuid),
        ("rate", Column::BigInt),
        ("net", Column::BigInt),
        ("tax", Column::BigInt),
    ];
    let (sql, values) = Values::new(tx.get_database_backend(), "anew", &columns, rows).statement(
        "UPDATE invoice_lines SET tax_rate = anew.rate, net_minor = anew.net, \
         tax_minor = anew.tax FROM anew WHERE invoice_lines.id = anew.id",
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}
