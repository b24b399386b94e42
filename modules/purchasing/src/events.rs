//! What purchasing hears, and what it does then.

use async_trait::async_trait;
use contracts::events::BillApproved;
use kernel::events::{Event, EventData, Subscriber};
use kernel::{Error, Result};

use crate::service::Service;

#[async_trait]
impl Subscriber for Service {
    async fn handle(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            BillApproved::TYPE => self.note_bill(event).await,
            other => Err(Error::internal(format!("purchasing does not hear {other}"))),
        }
    }
}
