//! What inventory hears, and what it does then.

use async_trait::async_trait;
use kernel::events::{Event, Subscriber};
use kernel::{Error, Result};

use crate::service::Service;

#[async_trait]
impl Subscriber for Service {
    async fn handle(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            other => Err(Error::internal(format!("inventory does not hear {other}"))),
        }
    }
}
