//! Credit notes: what is taken back of an invoice.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::billing::{RoundingMode, TaxTotal};
use contracts::ids::{
    CreditNoteId, CustomerId, InvoiceId, InvoiceLineId, OrderId, OrderLineId, ProductId,
};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::money::{Currency, Money, Percent, UnitPrice};
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::routes::documents::BilledCustomer;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(create_credit_note).service(list_credit_notes).service(get_credit_note);
}

/// A credit note. It is issued when it is made and never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreditNote {
    pub id: CreditNoteId,
    #[schema(example = "CN-2026-000001")]
    pub number: String,
    pub invoice_id: InvoiceId,
    pub invoice_number: String,
    pub customer_id: CustomerId,
    pub customer: BilledCustomer,
    pub order_id: OrderId,
    pub order_number: String,
    pub issued_on: NaiveDate,
    pub reason: String,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub rounding_mode: RoundingMode,
    /// Left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lines: Option<Vec<CreditNoteLine>>,
    /// The tax of each class; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub taxes: Option<Vec<TaxTotal>>,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// What it took off the open amount of the invoice.
    pub applied: Money,
    /// The rest, which had been paid already: the customer's credit. What becomes of it changes
    /// the note as little as anything else: see `get_credit_note_credit`.
    pub unapplied: Money,
    /// SHA-256 of its content and of the hash of the credit note before it in its series.
    pub hash: String,
    pub created_at: DateTime<Utc>,
}

/// A line of a credit note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreditNoteLine {
    pub invoice_line_id: InvoiceLineId,
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
}

/// A credit note to be issued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCreditNote {
    /// All that is left of the invoice where not given.
    #[schema(min_items = 1, max_items = 5000, nullable = false)]
    pub lines: Option<Vec<NewCreditNoteLine>>,
    pub reason: Note,
    /// Today (UTC) where not given; not before the last credit note of the year's series, nor
    /// before the invoice was issued.
    pub issued_on: Option<NaiveDate>,
}

/// How much of an invoice line is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCreditNoteLine {
    pub invoice_line_id: InvoiceLineId,
    pub quantity: PositiveQuantity,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCreditNotes {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub invoice_id: Option<InvoiceId>,
    pub customer_id: Option<CustomerId>,
}

impl ListCreditNotes {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// Issue credit note
///
/// Takes back part or all of an issued invoice, at the prices and rates it was issued with.
/// Tax follows what is credited in all, less what was credited before, so that the last note
/// closes the invoice to zero. It lowers what is open; what had been paid already becomes
/// the customer's credit, `unapplied`.
/// - Errors: 409 `illegal_transition`, `nothing_to_credit`, `over_credited` with
///   `params.left`, `date_before_last_issued`; 422 `unknown_invoice_line`, `duplicate_line`,
///   `no_lines`, `too_many_lines`, `issued_before_invoice` with `params.invoice_issued_on`,
///   `date_in_future`, `date_out_of_range`, `period_closed` with `params.closed_through` and
///   `params.kind`, `amount_overflow` where the books have no room for it.
/// - Emits `billing.credit_note.issued`.
#[utoipa::path(
    tag = "Credit notes",
    params(
        ("id" = InvoiceId, Path),
        ("X-Reason" = Option<String>, Header, description = "Why, on a day that is closed.")
    ),
    request_body = NewCreditNote,
    responses((status = 201, body = CreditNote)),
    extensions(
        ("x-permission" = json!("billing.credit_note:create")),
        ("x-override-permission" = json!("billing.period_lock:override")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "illegal_transition", "nothing_to_credit", "over_credited",
            "date_before_last_issued", "unknown_invoice_line", "duplicate_line", "no_lines",
            "too_many_lines", "issued_before_invoice", "date_in_future", "date_out_of_range",
            "period_closed", "amount_overflow"
        ]))
    )
)]
#[post("/invoices/{id}/credit-notes")]
async fn create_credit_note(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<InvoiceId>,
    body: Json<NewCreditNote>,
) -> Result<Reply> {
    service.create_credit_note(&ctx, *id, body.0).await
}

/// List credit notes
///
/// Without their lines. Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Credit notes",
    params(ListCreditNotes),
    responses((status = 200, body = Page<CreditNote>)),
    extensions(("x-permission" = json!("billing.credit_note:read")))
)]
#[get("/credit-notes")]
async fn list_credit_notes(service: Data<Service>, query: Query<ListCreditNotes>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_credit_notes(query.0).await?))
}

/// Get credit note
#[utoipa::path(
    tag = "Credit notes",
    params(("id" = CreditNoteId, Path)),
    responses((status = 200, body = CreditNote)),
    extensions(("x-permission" = json!("billing.credit_note:read")))
)]
#[get("/credit-notes/{id}")]
async fn get_credit_note(service: Data<Service>, id: Path<CreditNoteId>) -> Result<Reply> {
    let read = async || Ok(Reply::plain(&service.credit_note(*id).await?));
    service.db.cached("credit_note", id.uuid(), read).await
}
