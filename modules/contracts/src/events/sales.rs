//! What sales tells.

use kernel::events::EventData;
use serde::{Deserialize, Serialize};

use crate::sales::QuotationSnapshot;

/// A customer accepted a quotation: orders makes a draft order of it.
/// Aggregate: the quotation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuotationAccepted {
    pub quotation: QuotationSnapshot,
}

impl EventData for QuotationAccepted {
    const TYPE: &'static str = "sales.quotation.accepted";
}
