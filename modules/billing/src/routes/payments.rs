//! Payments: money from customers and to suppliers, and what it settles.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{BillId, CustomerId, InvoiceId, PaymentId, SupplierId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::text::{Note, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::payment::{Direction, PaymentMethod};
use crate::entities::payment_allocation::AllocationId;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_payments)
        .service(get_payment)
        .service(create_payment)
        .service(allocate_payment)
        .service(reverse_payment)
        .service(reverse_allocation);
}

/// Money that came from a customer or went to a supplier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Payment {
    pub id: PaymentId,
    #[schema(example = "PAY-2026-000001")]
    pub number: String,
    pub direction: Direction,
    /// Set where it is incoming.
    pub customer_id: Option<CustomerId>,
    /// Set where it is outgoing.
    pub supplier_id: Option<SupplierId>,
    pub method: PaymentMethod,
    pub received_on: NaiveDate,
    /// The key it has elsewhere, such as at a bank or payment provider.
    pub external_key: Option<String>,
    pub amount: Money,
    /// What it settles.
    pub applied: Money,
    /// What was paid back to the customer.
    pub refunded: Money,
    /// The rest: credit of the customer with us, or ours with the supplier. Nothing once it
    /// was reversed.
    pub unapplied: Money,
    /// The day it was taken back, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reversed_on: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reversal_reason: Option<String>,
    /// In the order they were made; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub allocations: Option<Vec<PaymentAllocation>>,
    #[schema(value_type = Vec<String>, example = json!(["allocate", "reverse"]))]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Payment {
    fn version(&self) -> i64 {
        self.version
    }
}

/// Part of a payment that settles part or all of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentAllocation {
    pub id: AllocationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub invoice_id: Option<InvoiceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bill_id: Option<BillId>,
    pub amount: Money,
    /// The allocation that this one takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reverses_id: Option<AllocationId>,
    /// Why, where it takes one back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// A payment to be recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPayment {
    pub direction: Direction,
    /// Who paid; where incoming.
    pub customer_id: Option<CustomerId>,
    /// Whom we paid; where outgoing. A purchase order with them has been approved.
    pub supplier_id: Option<SupplierId>,
    /// Above zero.
    pub amount: Money,
    pub method: PaymentMethod,
    /// Today (UTC) where not given.
    pub received_on: Option<NaiveDate>,
    /// The key it has elsewhere; no two payments have the same.
    pub external_key: Option<Text<1, 100>>,
    /// What it settles at once; the rest can be allocated later.
    #[serde(default)]
    #[schema(max_items = 5000)]
    pub allocations: Vec<NewAllocation>,
}

/// An amount for a document: an invoice if the money came in, a bill if it went out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAllocation {
    pub invoice_id: Option<InvoiceId>,
    pub bill_id: Option<BillId>,
    /// Above zero.
    pub amount: Money,
}

/// What an existing payment is to settle.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllocatePayment {
    #[schema(min_items = 1, max_items = 5000)]
    pub allocations: Vec<NewAllocation>,
}

/// A payment to be taken back as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReversePayment {
    pub reason: Note,
    /// Today (UTC) where not given; not before the payment.
    pub reversed_on: Option<NaiveDate>,
}

/// An allocation to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReverseAllocation {
    pub reason: Note,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPayments {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub direction: Option<Direction>,
    pub customer_id: Option<CustomerId>,
    pub supplier_id: Option<SupplierId>,
    pub external_key: Option<Text<1, 100>>,
}

impl ListPayments {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// List payments
///
/// Without their allocations. Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Payments",
    params(ListPayments),
    responses((status = 200, body = Page<Payment>)),
    extensions(("x-permission" = json!("billing.payment:read")))
)]
#[get("/payments")]
async fn list_payments(service: Data<Service>, query: Query<ListPayments>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_payments(query.0).await?))
}

/// Get payment
#[utoipa::path(
    tag = "Payments",
    params(("id" = PaymentId, Path)),
    responses((status = 200, body = Payment)),
    extensions(("x-permission" = json!("billing.payment:read")))
)]
#[get("/payments/{id}")]
async fn get_payment(service: Data<Service>, id: Path<PaymentId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.payment(*id).await?));
    service.db.cached("payment", id.uuid(), read).await
}

/// Record payment
///
/// Posts it, and settles with it what `allocations` name. What is left over is credit, to be
/// allocated later. Money that goes out needs a proof of who sends it within the last five minutes,
/// so no API key sends any.
/// - Errors: 401 `step_up_required` where outgoing; 409 `over_allocated` with `params.open`, `payment_exhausted` with
///   `params.unapplied`, `document_not_open`, `external_key_taken`; 422 `wrong_party`,
///   `unknown_party` where nothing is settled and it cannot be of who is named, `wrong_document`,
///   `unknown_invoice`, `unknown_bill`, `other_party`, `duplicate_allocation`,
///   `too_many_lines`, `amount_not_positive`, `amount_overflow` where the books have no room for
///   it, `currency_not_supported`, `date_in_future`, `date_out_of_range`,
///   `period_closed` with `params.closed_through` and `params.kind`.
/// - Emits `billing.payment.captured` where incoming, and `billing.payment.applied` for
///   each invoice.
#[utoipa::path(
    tag = "Payments",
    params(
        ("X-Reason" = Option<String>, Header, description = "Why, on a day that is closed.")
    ),
    request_body = NewPayment,
    responses((status = 201, body = Payment)),
    extensions(
        ("x-permission" = json!("billing.payment:create")),
        ("x-override-permission" = json!("billing.period_lock:override")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "over_allocated", "payment_exhausted", "document_not_open", "external_key_taken",
            "wrong_party", "unknown_party", "wrong_document", "unknown_invoice", "unknown_bill",
            "other_party", "duplicate_allocation", "too_many_lines", "amount_not_positive",
            "amount_overflow", "currency_not_supported", "date_in_future", "date_out_of_range",
            "period_closed", "step_up_required"
        ]))
    )
)]
#[post("/payments")]
async fn create_payment(ctx: Ctx, service: Data<Service>, body: Json<NewPayment>) -> Result<Reply> {
    if body.0.direction == Direction::Outgoing {
        ctx.check_step_up()?;
    }
    service.create_payment(&ctx, body.0).await
}

/// Allocate payment
///
/// Settles documents with what is left of a payment.
/// - Errors: 409 `over_allocated` with `params.open`, `payment_exhausted` with
///   `params.unapplied`, `payment_reversed`, `document_not_open`; 422 `wrong_document`,
///   `unknown_invoice`,
///   `unknown_bill`, `other_party`, `duplicate_allocation`, `no_lines`, `too_many_lines`,
///   `amount_not_positive`, `currency_not_supported`.
/// - Emits `billing.payment.applied` for each invoice.
#[utoipa::path(
    tag = "Payments",
    params(("id" = PaymentId, Path)),
    request_body = AllocatePayment,
    responses((status = 200, body = Payment)),
    extensions(
        ("x-permission" = json!("billing.payment:allocate")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!([
            "over_allocated", "payment_exhausted", "payment_reversed", "document_not_open",
            "wrong_document", "unknown_invoice", "unknown_bill", "other_party", "duplicate_allocation",
            "no_lines", "too_many_lines", "amount_not_positive", "currency_not_supported"
        ]))
    )
)]
#[post("/payments/{id}/allocations")]
async fn allocate_payment(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PaymentId>,
    body: Json<AllocatePayment>,
) -> Result<Reply> {
    service.allocate_payment(&ctx, *id, body.0).await
}

/// Reverse payment
///
/// For a payment that was a mistake, or that bounced. All it settled is open again, and its
/// entry is posted the other way round. Reports as of a day before the reversal show it as
/// credit.
/// - Errors: 409 `payment_reversed` with `params.reversed_on`, `payment_refunded` with
///   `params.refunded` where part of it was paid back; 422 `reversed_before_received`
///   with `params.received_on`, `date_in_future`, `date_out_of_range`, `period_closed` with
///   `params.closed_through` and `params.kind`, `amount_overflow` where the books have no room
///   for it.
/// - Emits `billing.payment.reversed` where incoming, and `billing.payment.unapplied` for
///   each invoice.
#[utoipa::path(
    tag = "Payments",
    params(
        ("id" = PaymentId, Path),
        ("X-Reason" = Option<String>, Header, description = "Why, on a day that is closed.")
    ),
    request_body = ReversePayment,
    responses((status = 200, body = Payment)),
    extensions(
        ("x-permission" = json!("billing.payment:reverse")),
        ("x-override-permission" = json!("billing.period_lock:override")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!([
            "payment_reversed", "payment_refunded", "reversed_before_received", "date_in_future",
            "date_out_of_range", "period_closed", "amount_overflow"
        ]))
    )
)]
#[post("/payments/{id}/reverse")]
async fn reverse_payment(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<PaymentId>,
    body: Json<ReversePayment>,
) -> Result<Reply> {
    service.reverse_payment(&ctx, *id, body.0).await
}

/// Reverse allocation
///
/// Takes back one allocation: what it settled is open again by its amount, which is left of
/// the payment. Nothing is posted.
/// - Errors: 409 `allocation_reversed`.
/// - Emits `billing.payment.unapplied` where it settled an invoice.
#[utoipa::path(
    tag = "Payments",
    params(
        ("id" = PaymentId, Path),
        ("allocation_id" = AllocationId, Path)
    ),
    request_body = ReverseAllocation,
    responses((status = 200, body = Payment)),
    extensions(
        ("x-permission" = json!("billing.payment:allocate")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["allocation_reversed"]))
    )
)]
#[post("/payments/{id}/allocations/{allocation_id}/reverse")]
async fn reverse_allocation(
    ctx: Ctx,
    service: Data<Service>,
    ids: Path<(PaymentId, AllocationId)>,
    body: Json<ReverseAllocation>,
) -> Result<Reply> {
    service.reverse_allocation(&ctx, *ids, body.0).await
}
