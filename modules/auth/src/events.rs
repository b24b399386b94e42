//! What auth hears: nothing yet.

use async_trait::async_trait;
use kernel::events::{Event, Subscriber};
use kernel::{Error, Result};

use crate::service::Service;

#[async_trait]
impl Subscriber for Service {
    async fn handle(&self, event: &Event) -> Result<()> {
        Err(Error::internal(format!("auth does not hear {}", event.kind)))
    }
}
