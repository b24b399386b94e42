//! What the documents have in common.

use contracts::common::Address;
use contracts::ids::CustomerId;
use contracts::sales::CustomerInfo;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A customer as a document names them: as they were when the goods were shipped.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BilledCustomer {
    pub id: CustomerId,
    #[schema(example = "CU-2026-000001")]
    pub number: String,
    pub name: String,
    pub billing_address: Address,
}

impl From<CustomerInfo> for BilledCustomer {
    fn from(customer: CustomerInfo) -> Self {
        BilledCustomer {
            id: customer.id,
            number: customer.number,
            name: customer.name,
            billing_address: customer.billing_address,
        }
    }
}
