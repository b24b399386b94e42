//! Refunds: money that goes back to customers.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CreditNoteId, CustomerId, PaymentId, RefundId};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::text::{Note, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::payment::PaymentMethod;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(create_refund).service(list_refunds).service(get_refund).service(reverse_refund);
}

/// Money that went back to a customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refund {
    pub id: RefundId,
    #[schema(example = "RF-2026-000001")]
    pub number: String,
    pub customer_id: CustomerId,
    /// What it was paid back of: one of the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_id: Option<PaymentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credit_note_id: Option<CreditNoteId>,
    pub method: PaymentMethod,
    pub refunded_on: NaiveDate,
    /// The key it has elsewhere, such as at a bank or payment provider.
    pub external_key: Option<String>,
    pub reason: String,
    pub amount: Money,
    /// The day it was taken back, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reversed_on: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reversal_reason: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["reverse"]))]
    pub allowed_actions: Vec<&'static str>,
    pub created_at: DateTime<Utc>,
}

/// Credit to be paid back: of a payment or of a credit note.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRefund {
    pub payment_id: Option<PaymentId>,
    pub credit_note_id: Option<CreditNoteId>,
    /// Above zero, and no more than is left.
    pub amount: Money,
    pub method: PaymentMethod,
    pub reason: Note,
    /// Today (UTC) where not given; not before the payment or credit note.
    pub refunded_on: Option<NaiveDate>,
    /// The key it has elsewhere; no two refunds have the same.
    pub external_key: Option<Text<1, 100>>,
}

/// A refund to be taken back as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReverseRefund {
    pub reason: Note,
    /// Today (UTC) where not given; not before the refund.
    pub reversed_on: Option<NaiveDate>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRefunds {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub customer_id: Option<CustomerId>,
}

impl ListRefunds {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// Record refund
///
/// Pays back what is left of a customer's payment or credit note, and posts it. It needs a
/// proof of who asks within the last five minutes, as all money that goes out.
/// - Errors: 401 `step_up_required`; 409 `credit_exhausted` with `params.left`,
///   `payment_reversed`, `external_key_taken`; 422 `wrong_source`, `unknown_credit`,
///   `amount_not_positive`, `currency_not_supported`, `refunded_before_credit` with
///   `params.dated_on`, `date_in_future`, `date_out_of_range`, `period_closed` with
///   `params.closed_through` and `params.kind`, `amount_overflow` where the books have no room
///   for it.
/// - Emits `billing.refund.made`.
#[utoipa::path(
    tag = "Refunds",
    params(
        ("X-Reason" = Option<String>, Header, description = "Why, on a day that is closed.")
    ),
    request_body = NewRefund,
    responses((status = 201, body = Refund)),
    extensions(
        ("x-permission" = json!("billing.refund:create")),
        ("x-override-permission" = json!("billing.period_lock:override")),
        ("x-needs" = json!(["step-up", "idempotency-key"])),
        ("x-errors" = json!([
            "credit_exhausted", "payment_reversed", "external_key_taken", "wrong_source",
            "unknown_credit", "amount_not_positive", "currency_not_supported",
            "refunded_before_credit", "date_in_future", "date_out_of_range", "period_closed",
            "amount_overflow"
        ]))
    )
)]
#[post("/refunds")]
async fn create_refund(ctx: Ctx, service: Data<Service>, body: Json<NewRefund>) -> Result<Reply> {
    service.create_refund(&ctx, body.0).await
}

/// List refunds
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Refunds",
    params(ListRefunds),
    responses((status = 200, body = Page<Refund>)),
    extensions(("x-permission" = json!("billing.refund:read")))
)]
#[get("/refunds")]
async fn list_refunds(service: Data<Service>, query: Query<ListRefunds>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_refunds(query.0).await?))
}

/// Get refund
#[utoipa::path(
    tag = "Refunds",
    params(("id" = RefundId, Path)),
    responses((status = 200, body = Refund)),
    extensions(("x-permission" = json!("billing.refund:read")))
)]
#[get("/refunds/{id}")]
async fn get_refund(service: Data<Service>, id: Path<RefundId>) -> Result<Reply> {
    Ok(Reply::plain(&service.refund(*id).await?))
}

/// Reverse refund
///
/// For money that did not arrive, as where an account was closed, or that was sent by mistake.
/// It is credit again, of the payment or credit note it was of, and its entry is posted the
/// other way round. Reports as of a day before the reversal show it as paid back.
/// - Errors: 409 `refund_reversed` with `params.reversed_on`; 422 `reversed_before_refunded`
///   with `params.refunded_on`, `date_in_future`, `date_out_of_range`, `period_closed` with
///   `params.closed_through` and `params.kind`, `amount_overflow` where the books have no room
///   for it.
/// - Emits `billing.refund.reversed`.
#[utoipa::path(
    tag = "Refunds",
    params(
        ("id" = RefundId, Path),
        ("X-Reason" = Option<String>, Header, description = "Why, on a day that is closed.")
    ),
    request_body = ReverseRefund,
    responses((status = 200, body = Refund)),
    extensions(
        ("x-permission" = json!("billing.refund:reverse")),
        ("x-override-permission" = json!("billing.period_lock:override")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "refund_reversed", "reversed_before_refunded", "date_in_future", "date_out_of_range",
            "period_closed", "amount_overflow"
        ]))
    )
)]
#[post("/refunds/{id}/reverse")]
async fn reverse_refund(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<RefundId>,
    body: Json<ReverseRefund>,
) -> Result<Reply> {
    service.reverse_refund(&ctx, *id, body.0).await
}
