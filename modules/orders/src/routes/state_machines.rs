//! The state machines of orders and shipments, as data.

use actix_web::get;
use kernel::Result;
use kernel::http::{Reply, Routes};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::service::status;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_order_state_machines);
}

/// The state machines of the module.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateMachines {
    #[schema(value_type = Vec<StateMachine>)]
    pub machines: Vec<Value>,
}

/// Every transition a document knows; what is not listed is refused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateMachine {
    #[schema(example = "order")]
    pub resource: String,
    pub transitions: Vec<StateTransition>,
}

/// `action` leads from any of `from` to `to`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateTransition {
    #[schema(example = "confirm")]
    pub action: String,
    #[schema(example = json!(["draft"]))]
    pub from: Vec<String>,
    #[schema(example = "confirmed")]
    pub to: String,
}

/// List state machines
///
/// Of orders and of shipments. Beside what can be asked of it, an order is over by itself
/// once every line is shipped or cancelled: completed, or cancelled if nothing was shipped.
#[utoipa::path(
    tag = "State machines",
    responses((status = 200, body = StateMachines)),
    extensions(("x-permission" = json!("orders.order:read")))
)]
#[get("/state-machines")]
async fn list_order_state_machines() -> Result<Reply> {
    let machines = vec![status::ORDER.describe(), status::SHIPMENT.describe()];
    Ok(Reply::plain(&StateMachines { machines }))
}
