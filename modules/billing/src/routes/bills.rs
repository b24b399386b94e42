//! Bills: what suppliers want for what we ordered and received.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::billing::{RoundingMode, TaxTotal};
use contracts::ids::{
    BillId, BillLineId, ProductId, PurchaseOrderId, PurchaseOrderLineId, SupplierId,
};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::money::{Currency, Money, Percent, UnitPrice};
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::Text;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::bill::BillStatus;
use crate::service::Service;
use crate::service::matching::MatchException;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_bills)
        .service(get_bill)
        .service(create_bill)
        .service(approve_bill)
        .service(reject_bill);
}

/// A supplier's bill for a purchase order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Bill {
    pub id: BillId,
    /// Ours; the supplier's is `supplier_invoice_number`.
    #[schema(example = "BILL-2026-000001")]
    pub number: String,
    pub status: BillStatus,
    pub supplier_id: SupplierId,
    pub supplier_name: String,
    pub supplier_invoice_number: String,
    pub purchase_order_id: PurchaseOrderId,
    pub purchase_order_number: String,
    pub billed_on: NaiveDate,
    pub due_on: NaiveDate,
    /// Its day in the books: `billed_on`, or the first open day where that was closed when it
    /// was approved. Absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub posted_on: Option<NaiveDate>,
    pub currency: Currency,
    pub rounding_mode: RoundingMode,
    /// Left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lines: Option<Vec<BillLine>>,
    /// The tax of each class; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub taxes: Option<Vec<TaxTotal>>,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
    /// Paid.
    pub applied: Money,
    /// `total - applied`: what we still owe once it is approved.
    pub open: Money,
    /// Why it does not match; empty if it does. Kept when it is approved all the same.
    pub exceptions: Vec<MatchException>,
    /// Why it was approved although it does not match.
    pub override_reason: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["approve", "reject"]))]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Bill {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A line of a bill.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillLine {
    pub id: BillLineId,
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub quantity: Quantity,
    /// Without tax.
    pub unit_price: UnitPrice,
    pub tax_class: String,
    pub tax_rate: Percent,
    pub net: Money,
    pub tax: Money,
    pub total: Money,
}

/// A bill as the supplier sent it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBill {
    pub supplier_id: SupplierId,
    /// The number on the supplier's paper; one supplier's bills have different ones.
    pub supplier_invoice_number: Text<1, 64>,
    pub purchase_order_id: PurchaseOrderId,
    /// Today (UTC) where not given.
    pub billed_on: Option<NaiveDate>,
    /// By the supplier's terms where not given; not before `billed_on`.
    pub due_on: Option<NaiveDate>,
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Vec<NewBillLine>,
}

/// What the supplier wants for a line of the order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBillLine {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub quantity: PositiveQuantity,
    /// Without tax.
    pub unit_price: UnitPrice,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListBills {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub status: Option<BillStatus>,
    pub supplier_id: Option<SupplierId>,
    pub purchase_order_id: Option<PurchaseOrderId>,
}

impl ListBills {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// List bills
///
/// Without their lines. Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Bills",
    params(ListBills),
    responses((status = 200, body = Page<Bill>)),
    extensions(("x-permission" = json!("billing.bill:read")))
)]
#[get("/bills")]
async fn list_bills(service: Data<Service>, query: Query<ListBills>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_bills(query.0).await?))
}

/// Get bill
#[utoipa::path(
    tag = "Bills",
    params(("id" = BillId, Path)),
    responses((status = 200, body = Bill)),
    extensions(("x-permission" = json!("billing.bill:read")))
)]
#[get("/bills/{id}")]
async fn get_bill(service: Data<Service>, id: Path<BillId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.bill(*id).await?));
    service.db.cached("bill", id.uuid(), read).await
}

/// Enter bill
///
/// Matches each line with what was ordered and received: `matched`, or `exception` with the
/// reasons. An exception is matched anew when goods arrive or another bill is rejected.
/// - Errors: 409 `duplicate_bill`; 422 `unknown_purchase_order`, `other_supplier`,
///   `unknown_purchase_order_line`, `duplicate_line`, `no_lines`, `too_many_lines`,
///   `date_in_future`, `date_out_of_range`, `due_before_billed`, `unknown_tax_class`,
///   `amount_overflow`.
#[utoipa::path(
    tag = "Bills",
    request_body = NewBill,
    responses((status = 201, body = Bill)),
    extensions(
        ("x-permission" = json!("billing.bill:create")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "duplicate_bill", "unknown_purchase_order", "other_supplier",
            "unknown_purchase_order_line", "duplicate_line", "no_lines", "too_many_lines",
            "date_in_future", "date_out_of_range", "due_before_billed", "unknown_tax_class",
            "amount_overflow"
        ]))
    )
)]
#[post("/bills")]
async fn create_bill(ctx: Ctx, service: Data<Service>, body: Json<NewBill>) -> Result<Reply> {
    service.create_bill(&ctx, body.0).await
}

/// Approve bill
///
/// Posts it: we owe it from now on. Where the day it is dated is closed by then, it is posted on
/// the first open one, `posted_on`. A bill that does not match needs the permission
/// `billing.bill:override` besides, and a reason in `X-Reason`.
/// - Errors: 403 `permission_denied`; 409 `illegal_transition`; 422 `reason_required`,
///   `amount_overflow`.
/// - Emits `billing.bill.approved`.
#[utoipa::path(
    tag = "Bills",
    params(
        ("id" = BillId, Path),
        ("X-Reason" = Option<String>, Header, description = "Why, where it does not match.")
    ),
    responses((status = 200, body = Bill)),
    extensions(
        ("x-permission" = json!("billing.bill:approve")),
        ("x-override-permission" = json!("billing.bill:override")),
        ("x-needs" = json!(["if-match", "idempotency-key"])),
        ("x-errors" = json!(["segregation_of_duties", "illegal_transition", "reason_required", "amount_overflow"]))
    )
)]
#[post("/bills/{id}/approve")]
async fn approve_bill(ctx: Ctx, service: Data<Service>, id: Path<BillId>) -> Result<Reply> {
    service.approve_bill(&ctx, *id).await
}

/// Reject bill
///
/// Gives back the quantities it was matched with. The supplier's number may be used again.
/// - Errors: 409 `illegal_transition`.
#[utoipa::path(
    tag = "Bills",
    params(("id" = BillId, Path)),
    responses((status = 200, body = Bill)),
    extensions(
        ("x-permission" = json!("billing.bill:reject")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["illegal_transition"]))
    )
)]
#[post("/bills/{id}/reject")]
async fn reject_bill(ctx: Ctx, service: Data<Service>, id: Path<BillId>) -> Result<Reply> {
    service.reject_bill(&ctx, *id).await
}
