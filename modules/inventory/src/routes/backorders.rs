//! Backorders: what order lines wait for, and by when it is promised.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{BackorderId, OrderId, OrderLineId, ProductId, WarehouseId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::page_query;
use kernel::quantity::Quantity;
use kernel::table::{Accept, Tabular};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::backorder::BackorderStatus;
use crate::service::Service;
use crate::service::references::check_scope;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_backorders).service(get_backorder).service(promise_backorder);
}

/// What a line of an order waits for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Backorder {
    pub id: BackorderId,
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    /// The kit that the order line is for, of which this is a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub kit_id: Option<ProductId>,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    /// All that was ever waited for.
    pub quantity: Quantity,
    /// What still is.
    pub remaining: Quantity,
    pub status: BackorderStatus,
    /// The day by which all of it is to be there; absent where nothing is known of when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub promised_on: Option<NaiveDate>,
    /// Until then the order is not confirmed, and nothing is taken for it. Absent: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<DateTime<Utc>>,
    /// What can be done with it now.
    #[schema(value_type = Vec<String>, example = json!(["promise"]))]
    pub allowed_actions: Vec<&'static str>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Backorder {
    fn version(&self) -> i64 {
        self.version
    }
}

/// The day by which what waits is promised.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPromise {
    /// Today or later.
    pub promised_on: NaiveDate,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListBackorders {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub product_id: Option<ProductId>,
    pub warehouse_id: Option<WarehouseId>,
    pub order_id: Option<OrderId>,
    #[param(inline)]
    pub status: Option<BackorderStatus>,
}

page_query!(ListBackorders);

impl Tabular for Backorder {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "order_id",
        "order_line_id",
        "kit_id",
        "product_id",
        "warehouse_id",
        "quantity",
        "remaining",
        "status",
        "promised_on",
        "expires_at",
        "version",
        "created_at",
        "updated_at",
    ];
    const LABEL: &'static str = "product_id";
    const SERIES: &'static [&'static str] = &["quantity", "remaining"];
}

/// List backorders
///
/// Newest first unless `sort` says otherwise. What comes in is given to the oldest promise
/// first, then to who has waited longest; what is promised nothing comes last.
#[utoipa::path(
    tag = "Backorders",
    params(ListBackorders),
    responses((status = 200, body = Page<Backorder>)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-scope" = json!("warehouse")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/backorders")]
async fn list_backorders(
    ctx: Ctx,
    accept: Accept,
    service: Data<Service>,
    query: Query<ListBackorders>,
) -> Result<HttpResponse> {
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let (ctx, service) = (ctx.clone(), service.clone());
            async move { Ok(service.list_backorders(&ctx, query).await?.map(Backorder::from)) }
        })
        .await
}

/// Get backorder
#[utoipa::path(
    tag = "Backorders",
    params(("id" = BackorderId, Path)),
    responses((status = 200, body = Backorder)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-scope" = json!("warehouse"))
    )
)]
#[get("/backorders/{id}")]
async fn get_backorder(ctx: Ctx, service: Data<Service>, id: Path<BackorderId>) -> Result<Reply> {
    let backorder = service.backorder(*id).await?;
    check_scope(&ctx, [backorder.warehouse_id], "backorder", *id)?;
    Ok(Reply::ok(&Backorder::from(backorder)))
}

/// Promise backorder
///
/// Says by when what waits is to be there, instead of what was promised before; of a kit, all
/// its parts that wait. It changes its place in the queue, and its order is told. Without it
/// the day is the first by which what is expected covers it and all before it, or that of the
/// reorder rule's lead time if that is sooner; once promised it stays.
/// - Errors: 409 `backorder_over` if it does not wait any more, `order_not_confirmed`; 422
///   `date_in_past`, `date_out_of_range`.
#[utoipa::path(
    tag = "Backorders",
    params(("id" = BackorderId, Path)),
    request_body = NewPromise,
    responses((status = 200, body = Backorder)),
    extensions(
        ("x-permission" = json!("inventory.backorder:promise")),
        ("x-scope" = json!("warehouse")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!([
            "backorder_over", "order_not_confirmed", "date_in_past", "date_out_of_range"
        ]))
    )
)]
#[post("/backorders/{id}/promise")]
async fn promise_backorder(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<BackorderId>,
    body: Json<NewPromise>,
) -> Result<Reply> {
    service.promise_backorder(&ctx, *id, body.0).await
}
