//! What auth promises: the keys that check its tokens.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::module::ServeContract;
use kernel::remote::{Remote, Repeat};
use kernel::token::PublicKey;
use kernel::{Ctx, Result};

#[async_trait]
pub trait Auth: Send + Sync {
    /// The public keys of tokens that are still valid, the newest first.
    async fn verification_keys(&self, ctx: &Ctx) -> Result<Vec<PublicKey>>;
}

#[async_trait]
impl Auth for Remote {
    async fn verification_keys(&self, ctx: &Ctx) -> Result<Vec<PublicKey>> {
        self.call("verification_keys", Repeat::Safe, ctx, &()).await
    }
}

/// The far end of the remote client.
pub struct Served(pub Arc<dyn Auth>);

#[async_trait]
impl ServeContract for Served {
    async fn serve(&self, method: &str, ctx: &Ctx, _body: &[u8]) -> Result<Vec<u8>> {
        match method {
            "verification_keys" => crate::answer(&self.0.verification_keys(ctx).await?),
            other => Err(crate::no_such_method("auth", other)),
        }
    }
}
