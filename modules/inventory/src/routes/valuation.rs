//! Valuation: what the stock was worth on a day.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use chrono::NaiveDate;
use contracts::ids::{ProductId, WarehouseId};
use kernel::Result;
use kernel::http::{Query, Routes};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, PageInfo};
use kernel::page_query;
use kernel::quantity::Quantity;
use kernel::table::{Accept, Tabular};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_valuation);
}

/// What the stock was worth at the end of a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValuationReport {
    pub as_of: NaiveDate,
    /// Of all products, not only of this page.
    pub total: Money,
    pub data: Vec<ValuationRow>,
    pub page: PageInfo,
}

/// What there was of one product, and what it cost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValuationRow {
    pub product_id: ProductId,
    #[schema(example = "CHAIR-OAK")]
    pub sku: String,
    pub quantity: Quantity,
    pub value: Money,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GetValuation {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    /// The end of this day; today (UTC) where not said.
    pub as_of: Option<NaiveDate>,
    pub warehouse_id: Option<WarehouseId>,
}

page_query!(GetValuation);

impl Tabular for ValuationRow {
    const COLUMNS: &'static [&'static str] =
        &["product_id", "sku", "quantity", "value.amount", "value.currency"];
    const SERIES: &'static [&'static str] = &["quantity", "value.amount"];
}

/// Get valuation
///
/// The ledger of moves up to the end of a day, by product in the order of their ids. The total
/// over all warehouses is the balance of billing's inventory account on that day, to the
/// minor unit, once billing has heard of every move.
#[utoipa::path(
    tag = "Stock",
    params(GetValuation),
    responses((status = 200, body = ValuationReport)),
    extensions(
        ("x-permission" = json!("inventory.stock:read")),
        ("x-forms" = json!(["csv", "series"]))
    )
)]
#[get("/valuation")]
async fn get_valuation(
    accept: Accept,
    service: Data<Service>,
    query: Query<GetValuation>,
) -> Result<HttpResponse> {
    if accept == Accept::Json {
        let report = service.valuation(query.0).await?;
        return accept.answer_with(&report, |report| &report.data);
    }
    let service = service.into_inner();
    accept
        .answer(query.0, move |query| {
            let service = service.clone();
            async move {
                let report = service.valuation(query).await?;
                Ok(Page { data: report.data, page: report.page })
            }
        })
        .await
}
