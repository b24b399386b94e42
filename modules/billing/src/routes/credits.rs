//! Credit of customers: what is left of their payments and credit notes.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CreditNoteId, CustomerId, InvoiceId, PaymentId};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::credit_allocation::CreditAllocationId;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_credits).service(get_credit_note_credit).service(allocate_credit);
}

/// What is left of a payment or of a credit note: one of the two.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Credit {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_id: Option<PaymentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credit_note_id: Option<CreditNoteId>,
    #[schema(example = "CN-2026-000001")]
    pub number: String,
    pub customer_id: CustomerId,
    /// The day of the payment or credit note.
    pub dated_on: NaiveDate,
    /// The payment; of a credit note, what it left above the open amount of its invoice.
    pub amount: Money,
    /// What settles invoices; of a credit note, others than its own.
    pub applied: Money,
    /// What was paid back.
    pub refunded: Money,
    /// The rest; above zero.
    pub left: Money,
}

/// What a credit note left above the open amount of its invoice, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreditNoteCredit {
    pub credit_note_id: CreditNoteId,
    pub customer_id: CustomerId,
    pub amount: Money,
    pub applied: Money,
    pub refunded: Money,
    pub left: Money,
    /// In the order they were made.
    pub allocations: Vec<CreditAllocation>,
}

/// Part of a credit note's credit that settles part or all of an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreditAllocation {
    pub id: CreditAllocationId,
    pub invoice_id: InvoiceId,
    pub amount: Money,
    pub created_at: DateTime<Utc>,
}

/// What a credit note's credit is to settle.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllocateCredit {
    #[schema(min_items = 1, max_items = 5000)]
    pub allocations: Vec<NewCreditAllocation>,
}

/// An amount for an open invoice of the same customer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCreditAllocation {
    pub invoice_id: InvoiceId,
    /// Above zero.
    pub amount: Money,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCredits {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub customer_id: Option<CustomerId>,
}

impl ListCredits {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// List credits
///
/// Payments and credit notes of customers of which something is left: what a payment does not
/// settle, and what a credit note takes back of what had been paid. Newest first unless `sort`
/// says otherwise.
#[utoipa::path(
    tag = "Credits",
    params(ListCredits),
    responses((status = 200, body = Page<Credit>)),
    extensions(("x-permission" = json!("billing.credit:read")))
)]
#[get("/credits")]
async fn list_credits(service: Data<Service>, query: Query<ListCredits>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_credits(query.0).await?))
}

/// Get credit of a credit note
#[utoipa::path(
    tag = "Credits",
    params(("id" = CreditNoteId, Path)),
    responses((status = 200, body = CreditNoteCredit)),
    extensions(("x-permission" = json!("billing.credit:read")))
)]
#[get("/credit-notes/{id}/credit")]
async fn get_credit_note_credit(service: Data<Service>, id: Path<CreditNoteId>) -> Result<Reply> {
    Ok(Reply::plain(&service.credit_note_credit(*id).await?))
}

/// Allocate credit
///
/// Settles invoices of the same customer with what is left of a credit note. Nothing is
/// posted: both are on the account of receivables already.
/// - Errors: 409 `over_allocated` with `params.open`, `credit_exhausted` with `params.left`,
///   `document_not_open`; 422 `unknown_invoice`, `other_party`, `duplicate_allocation`,
///   `no_lines`, `too_many_lines`, `amount_not_positive`, `currency_not_supported`.
/// - Emits `billing.credit.applied` for each invoice.
#[utoipa::path(
    tag = "Credits",
    params(("id" = CreditNoteId, Path)),
    request_body = AllocateCredit,
    responses((status = 200, body = CreditNoteCredit)),
    extensions(
        ("x-permission" = json!("billing.credit:allocate")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "over_allocated", "credit_exhausted", "document_not_open", "unknown_invoice",
            "other_party", "duplicate_allocation", "no_lines", "too_many_lines",
            "amount_not_positive", "currency_not_supported"
        ]))
    )
)]
#[post("/credit-notes/{id}/allocations")]
async fn allocate_credit(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<CreditNoteId>,
    body: Json<AllocateCredit>,
) -> Result<Reply> {
    service.allocate_credit(&ctx, *id, body.0).await
}
