//! Purchasing promises nothing to other modules: what they need of it, its events tell them.

use async_trait::async_trait;
use kernel::module::ServeContract;
use kernel::{Ctx, Error, Result};

use crate::service::Service;

#[async_trait]
impl ServeContract for Service {
    async fn serve(&self, method: &str, _: &Ctx, _: &[u8]) -> Result<Vec<u8>> {
        Err(Error::not_found("method", format!("purchasing/{method}")))
    }
}
