//! What can be promised when: what is available, and what is on its way.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use chrono::NaiveDate;
use contracts::ids::{ProductId, WarehouseId};
use kernel::Result;
use kernel::http::{Path, Query, Routes};
use kernel::quantity::{PositiveQuantity, Quantity};
use kernel::table::{Accept, Tabular};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_available_to_promise);
}

/// What of a product can be promised when.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AvailableToPromise {
    pub product_id: ProductId,
    /// Absent: all of them together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warehouse_id: Option<WarehouseId>,
    /// Today, and each day that something is to come, up to 366 of them. What is late is
    /// taken to come today.
    #[schema(max_items = 366)]
    pub days: Vec<PromiseDay>,
    /// The first day that `quantity` can be promised from; absent if none is known, or none was
    /// asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub promise_on: Option<NaiveDate>,
}

/// What can be promised from one day on.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct PromiseDay {
    pub on: NaiveDate,
    /// What is to come that day.
    pub incoming: Quantity,
    /// What is available, less what orders wait for, and what comes until then. Below zero:
    /// orders wait longer.
    pub available_to_promise: Quantity,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GetAvailableToPromise {
    /// Not said: all of them together.
    pub warehouse_id: Option<WarehouseId>,
    /// How much somebody wants.
    #[param(inline)]
    pub quantity: Option<PositiveQuantity>,
}

impl Tabular for PromiseDay {
    const COLUMNS: &'static [&'static str] = &["on", "incoming", "available_to_promise"];
    const LABEL: &'static str = "on";
    const SERIES: &'static [&'static str] = &["incoming", "available_to_promise"];
}

/// Get available to promise
///
/// By date: what is available now, less what orders wait for already, and what purchase orders
/// are to bring.
#[utoipa::path(
    tag = "Stock",
    params(("id" = ProductId, Path), GetAvailableToPromise),
    responses((status = 200, body = AvailableToPromise)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/products/{id}/available-to-promise")]
async fn get_available_to_promise(
    accept: Accept,
    service: Data<Service>,
    id: Path<ProductId>,
    query: Query<GetAvailableToPromise>,
) -> Result<HttpResponse> {
    let found = service.available_to_promise(*id, query.0).await?;
    accept.answer_with(&found, |found| &found.days)
}
