//! Invoices: what customers owe for what was shipped to them.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::billing::{RoundingMode, TaxTotal};
use contracts::ids::{
    CustomerId, InvoiceId, InvoiceLineId, OrderId, OrderLineId, ProductId, ShipmentId,
};
use kernel::http::{Path, Query, Reply, Routes, Versioned};
use kernel::money::{Currency, Money, Percent, UnitPrice};
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::invoice::InvoiceStatus;
use crate::routes::documents::BilledCustomer;
use crate::routes::optional_json::OptionalJson;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_invoices)
        .service(get_invoice)
        .service(issue_invoice)
        .service(discard_invoice)
        .service(redraft_invoice);
}

/// An invoice for a shipment. From the moment it is issued only what is applied to it and
/// credited from it changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invoice {
    pub id: InvoiceId,
    /// Drawn when it is issued, without gaps.
    #[schema(example = "INV-2026-000001")]
    pub number: Option<String>,
    pub status: InvoiceStatus,
    pub customer_id: CustomerId,
    pub customer: BilledCustomer,
    pub order_id: OrderId,
    pub order_number: String,
    pub shipment_id: ShipmentId,
    pub shipment_number: String,
    pub shipped_on: NaiveDate,
    pub issued_on: Option<NaiveDate>,
    pub due_on: Option<NaiveDate>,
    pub currency: Currency,
    pub prices_include_tax: bool,
    /// Where its tax is rounded; its credit notes follow it.
    pub rounding_mode: RoundingMode,
    /// Left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lines: Option<Vec<InvoiceLine>>,
    /// The tax of each class; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub taxes: Option<Vec<TaxTotal>>,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// Paid.
    pub applied: Money,
    /// Taken off by credit notes.
    pub credited: Money,
    /// `total - applied - credited`: what is still owed once it is issued.
    pub open: Money,
    /// All its credit notes together. Above `credited` where it had been paid before: the
    /// difference is the customer's credit.
    pub credit_notes_total: Money,
    /// SHA-256 of its content and of the hash of the invoice before it in its series.
    pub hash: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["issue", "discard"]))]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Invoice {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A line of an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvoiceLine {
    pub id: InvoiceLineId,
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub discount: Percent,
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// How much of `quantity` credit notes have taken back.
    pub credited_quantity: Quantity,
}

/// When an invoice is issued.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssueInvoice {
    /// Today (UTC) where not given; not before the last invoice of the year's series, nor before
    /// the goods were shipped.
    pub issued_on: Option<NaiveDate>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListInvoices {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub status: Option<InvoiceStatus>,
    pub customer_id: Option<CustomerId>,
    pub order_id: Option<OrderId>,
    pub shipment_id: Option<ShipmentId>,
}

impl ListInvoices {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// List invoices
///
/// Without their lines. Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Invoices",
    params(ListInvoices),
    responses((status = 200, body = Page<Invoice>)),
    extensions(("x-permission" = json!("billing.invoice:read")))
)]
#[get("/invoices")]
async fn list_invoices(service: Data<Service>, query: Query<ListInvoices>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_invoices(query.0).await?))
}

/// Get invoice
#[utoipa::path(
    tag = "Invoices",
    params(("id" = InvoiceId, Path)),
    responses((status = 200, body = Invoice)),
    extensions(("x-permission" = json!("billing.invoice:read")))
)]
#[get("/invoices/{id}")]
async fn get_invoice(service: Data<Service>, id: Path<InvoiceId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.invoice(*id).await?));
    service.db.cached("invoice", id.uuid(), read).await
}

/// Issue invoice
///
/// Draws the next number of the year's series, fixes the dates, and posts it: the customer
/// owes it from now on. An invoice of nothing is settled at once.
/// - `issued_on`: today (UTC) where not given; never before the last one issued, nor before
///   `shipped_on`.
/// - Errors: 409 `illegal_transition`, `date_before_last_issued` with
///   `params.last_issued_on`; 422 `issued_before_shipped` with `params.shipped_on`,
///   `date_in_future`, `date_out_of_range`, `period_closed` with `params.closed_through` and
///   `params.kind`, `amount_overflow` where the books have no room for it.
/// - Emits `billing.invoice.issued`.
#[utoipa::path(
    tag = "Invoices",
    params(
        ("id" = InvoiceId, Path),
        ("X-Reason" = Option<String>, Header, description = "Why, on a day that is closed.")
    ),
    request_body(content = Option<IssueInvoice>, content_type = "application/json"),
    responses((status = 200, body = Invoice)),
    extensions(
        ("x-permission" = json!("billing.invoice:issue")),
        ("x-override-permission" = json!("billing.period_lock:override")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!([
            "illegal_transition", "date_before_last_issued", "issued_before_shipped",
            "date_in_future", "date_out_of_range", "period_closed", "amount_overflow"
        ]))
    )
)]
#[post("/invoices/{id}/issue")]
async fn issue_invoice(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<InvoiceId>,
    body: OptionalJson<IssueInvoice>,
) -> Result<Reply> {
    service.issue_invoice(&ctx, *id, body.0).await
}

/// Discard invoice
///
/// For a draft that is not to be issued. It uses no number, and its shipment gets no other
/// invoice; if it is to be invoiced after all, this one is drafted anew.
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Invoices",
    params(("id" = InvoiceId, Path)),
    responses((status = 200, body = Invoice)),
    extensions(
        ("x-permission" = json!("billing.invoice:discard")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/invoices/{id}/discard")]
async fn discard_invoice(ctx: Ctx, service: Data<Service>, id: Path<InvoiceId>) -> Result<Reply> {
    service.discard_invoice(&ctx, *id).await
}

/// Draft discarded invoice anew
///
/// For one that was discarded and is to be issued after all. Its lines and terms are those of the
/// shipment, as before; its taxes are calculated with the rates of now.
/// - Errors: 409 `illegal_transition`; 422 `amount_overflow`.
#[utoipa::path(
    tag = "Invoices",
    params(("id" = InvoiceId, Path)),
    responses((status = 200, body = Invoice)),
    extensions(
        ("x-permission" = json!("billing.invoice:redraft")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition", "amount_overflow"]))
    )
)]
#[post("/invoices/{id}/redraft")]
async fn redraft_invoice(ctx: Ctx, service: Data<Service>, id: Path<InvoiceId>) -> Result<Reply> {
    service.redraft_invoice(&ctx, *id).await
}
