//! Returns: goods that came back.

use actix_web::web::Data;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{OrderId, OrderLineId, ProductId, ReturnId};
use kernel::http::{Json, Path, Query, Reply, Routes};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::text::Note;
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(create_return).service(list_returns).service(get_return);
}

/// Goods that came back. Posted at once, it never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Return {
    pub id: ReturnId,
    #[schema(example = "RET-2026-000007")]
    pub number: String,
    pub order_id: OrderId,
    pub reason: String,
    pub received_on: NaiveDate,
    pub lines: Vec<ReturnLine>,
    pub created_at: DateTime<Utc>,
}

/// How much of an order line came back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReturnLine {
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub name: String,
    #[schema(example = "pcs")]
    pub unit: String,
    pub quantity: Quantity,
    /// Whether it went back on the shelf; otherwise it was scrapped.
    pub restock: bool,
}

/// Goods to be taken back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReturn {
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<NewReturnLine>,
    pub reason: Note,
    /// Today (UTC) where absent.
    pub received_on: Option<NaiveDate>,
}

/// How much of an order line came back. A line may be given twice, once to restock and
/// once to scrap.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReturnLine {
    pub order_line_id: OrderLineId,
    pub quantity: PositiveQuantity,
    /// Whether it goes back on the shelf; otherwise it is scrapped.
    pub restock: bool,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListReturns {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub order_id: Option<OrderId>,
}

/// Create return
///
/// Takes shipped goods back, at once. The order stays what it is: what came back is not
/// shipped again, and a credit note is billing's.
/// - Errors: 409 `illegal_transition` where nothing can have been shipped,
///   `return_exceeds_shipped` with `params.lines[{order_line_id, asked, available}]`; 422
///   `unknown_order_line`, `duplicate_line`, `quantity_too_fine`, `no_lines`,
///   `too_many_lines`, `date_in_future`, `date_out_of_range` also before the goods
///   were shipped, `amount_overflow` where stock cannot hold that much more.
/// - Emits `orders.return.received`: inventory takes in, at their original cost, the goods
///   to restock; what the others cost is a loss and no cost of sales any more.
#[utoipa::path(
    tag = "Returns",
    params(("id" = OrderId, Path)),
    request_body = NewReturn,
    responses((status = 201, body = Return)),
    extensions(
        ("x-permission" = json!("orders.return:create")),
        ("x-needs" = json!(["idempotency-key"])),
        ("x-errors" = json!([
            "illegal_transition", "return_exceeds_shipped", "unknown_order_line",
            "duplicate_line", "quantity_too_fine", "no_lines", "too_many_lines",
            "date_in_future", "date_out_of_range", "amount_overflow"
        ]))
    )
)]
#[post("/orders/{id}/returns")]
async fn create_return(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<OrderId>,
    body: Json<NewReturn>,
) -> Result<Reply> {
    service.create_return(&ctx, *id, body.0).await
}

/// List returns
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Returns",
    params(ListReturns),
    responses((status = 200, body = Page<Return>)),
    extensions(("x-permission" = json!("orders.return:read")))
)]
#[get("/returns")]
async fn list_returns(service: Data<Service>, query: Query<ListReturns>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_returns(query.0).await?))
}

/// Get return
#[utoipa::path(
    tag = "Returns",
    params(("id" = ReturnId, Path)),
    responses((status = 200, body = Return)),
    extensions(("x-permission" = json!("orders.return:read")))
)]
#[get("/returns/{id}")]
async fn get_return(service: Data<Service>, id: Path<ReturnId>) -> Result<Reply> {
    let read = async || Ok(Reply::plain(&service.goods_return(*id).await?));
    service.db.cached("return", id.uuid(), read).await
}
