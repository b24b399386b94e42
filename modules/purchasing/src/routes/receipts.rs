//! Receipts: goods that arrived.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{
    ProductId, PurchaseOrderId, PurchaseOrderLineId, ReceiptId, SupplierId, WarehouseId,
};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::money::{Currency, UnitPrice};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::Text;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_receipts).service(get_receipt).service(create_receipt);
}

/// Goods that arrived. Posted at once, it never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipt {
    pub id: ReceiptId,
    #[schema(example = "GR-2026-000007")]
    pub number: String,
    pub purchase_order_id: PurchaseOrderId,
    #[schema(example = "PO-2026-000123")]
    pub purchase_order_number: String,
    pub supplier_id: SupplierId,
    pub warehouse_id: WarehouseId,
    pub received_on: NaiveDate,
    /// The supplier's number for the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delivery_note: Option<String>,
    pub currency: Currency,
    pub lines: Vec<ReceiptLine>,
    pub created_at: DateTime<Utc>,
}

/// How much of a line of the purchase order arrived.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptLine {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub name: String,
    #[schema(example = "pcs")]
    pub unit: String,
    pub quantity: Quantity,
    /// What a unit is taken into stock at: the price ordered, without tax.
    pub unit_cost: UnitPrice,
}

/// Goods to be received.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReceipt {
    pub purchase_order_id: PurchaseOrderId,
    /// Everything that is open where absent.
    #[schema(min_items = 1, max_items = 5000)]
    pub lines: Option<Vec<NewReceiptLine>>,
    /// Today (UTC) where absent; not before the order was placed.
    pub received_on: Option<NaiveDate>,
    /// The supplier's number for the delivery.
    pub delivery_note: Option<Text<1, 100>>,
}

/// How much of a line arrived.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReceiptLine {
    pub purchase_order_line_id: PurchaseOrderLineId,
    pub quantity: PositiveQuantity,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListReceipts {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub purchase_order_id: Option<PurchaseOrderId>,
}

/// List receipts
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Receipts",
    params(ListReceipts),
    responses((status = 200, body = Page<Receipt>)),
    extensions(("x-permission" = json!("purchasing.receipt:read")))
)]
#[get("/receipts")]
async fn list_receipts(service: Data<Service>, query: Query<ListReceipts>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_receipts(query.0).await?))
}

/// Get receipt
#[utoipa::path(
    tag = "Receipts",
    params(("id" = ReceiptId, Path)),
    responses((status = 200, body = Receipt)),
    extensions(("x-permission" = json!("purchasing.receipt:read")))
)]
#[get("/receipts/{id}")]
async fn get_receipt(service: Data<Service>, id: Path<ReceiptId>) -> Result<Reply> {
    let read = async || Ok(Reply::plain(&service.receipt(*id).await?));
    service.db.cached("receipt", id.uuid(), read).await
}

/// Create receipt
///
/// Receives goods of a purchase order that has been sent, at once and for good. Once all
/// that was ordered has arrived, the order is received.
/// - Errors: 409 `illegal_transition` where the order is not sent, `over_receipt` with
///   `params.lines[{purchase_order_line_id, asked, open}]`; 422 `unknown_purchase_order`,
///   `unknown_purchase_order_line`, `duplicate_line`, `quantity_too_fine`, `no_lines`,
///   `too_many_lines`, `date_in_future`, `date_out_of_range`, `received_before_ordered`,
///   `amount_overflow` where stock cannot hold that much more.
/// - Emits `purchasing.receipt.posted`: inventory takes the goods in at the price ordered,
///   billing notes what may be billed.
#[utoipa::path(
    tag = "Receipts",
    request_body = NewReceipt,
    responses((status = 201, body = Receipt)),
    extensions(
        ("x-permission" = json!("purchasing.receipt:create")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "illegal_transition", "over_receipt", "unknown_purchase_order",
            "unknown_purchase_order_line", "duplicate_line", "quantity_too_fine", "no_lines",
            "too_many_lines", "date_in_future", "date_out_of_range", "received_before_ordered",
            "amount_overflow"
        ]))
    )
)]
#[post("/receipts")]
async fn create_receipt(ctx: Ctx, service: Data<Service>, body: Json<NewReceipt>) -> Result<Reply> {
    service.create_receipt(&ctx, body.0).await
}
