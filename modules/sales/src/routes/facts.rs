//! Sales facts: what was sold, credited and returned, with its cost.

use actix_web::get;
use actix_web::web::Data;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::{CustomerId, OrderId, OrderLineId, ProductId};
use kernel::Result;
use kernel::http::{Query, Reply, Routes};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::quantity::Quantity;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::sales_fact::{FactId, Kind};
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_facts);
}

/// A sales fact. None ever changes; the sum of the margins over an order line is what it
/// has earned, returns and credits included.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SalesFact {
    pub id: FactId,
    pub kind: Kind,
    pub customer_id: CustomerId,
    pub order_id: OrderId,
    pub order_line_id: OrderLineId,
    pub product_id: ProductId,
    /// The shipment (`shipped`, `cost`), credit note (`credited`) or return (`returned`).
    pub document_id: Uuid,
    /// Negative where it was taken back.
    pub quantity: Quantity,
    /// Revenue without tax; zero for facts about cost, negative where it was taken back.
    pub net: Money,
    /// Null for facts about revenue; negative where goods came back.
    pub cost: Option<Money>,
    /// Net less cost.
    pub margin: Money,
    pub occurred_on: NaiveDate,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListFacts {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    pub kind: Option<Kind>,
    pub customer_id: Option<CustomerId>,
    pub product_id: Option<ProductId>,
    pub order_id: Option<OrderId>,
}

/// List sales facts
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Sales facts",
    params(ListFacts),
    responses((status = 200, body = Page<SalesFact>)),
    extensions(("x-permission" = json!("sales.fact:read")))
)]
#[get("/facts")]
async fn list_facts(service: Data<Service>, query: Query<ListFacts>) -> Result<Reply> {
    let page = service.list_facts(query.0).await?;
    Ok(Reply::plain(&page.map(SalesFact::from)))
}
