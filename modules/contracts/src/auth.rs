//! What auth promises: the keys that check its tokens, and which sessions are over.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::module::ServeContract;
use kernel::remote::{Remote, Repeat};
use kernel::token::PublicKey;
use kernel::{Ctx, Result};

use crate::ids::SessionId;

#[async_trait]
pub trait Auth: Send + Sync {
    /// The public keys of tokens that are still valid, the newest first.
    async fn verification_keys(&self, ctx: &Ctx) -> Result<Vec<PublicKey>>;

    /// The sessions and API keys that ended within the life of an access token, in no order.
    async fn ended_sessions(&self, ctx: &Ctx) -> Result<Vec<SessionId>>;

    /// An access token of a minute for the API key whose SHA-256 this is; 401
    /// `invalid_api_key` if there is none.
    async fn key_token(&self, ctx: &Ctx, key_hash: &str) -> Result<String>;
}

#[async_trait]
impl Auth for Remote {
    async fn verification_keys(&self, ctx: &Ctx) -> Result<Vec<PublicKey>> {
        self.call("verification_keys", Repeat::Safe, ctx, &()).await
    }

    async fn ended_sessions(&self, ctx: &Ctx) -> Result<Vec<SessionId>> {
        self.call("ended_sessions", Repeat::Safe, ctx, &()).await
    }

    async fn key_token(&self, ctx: &Ctx, key_hash: &str) -> Result<String> {
        self.call("key_token", Repeat::Safe, ctx, &key_hash).await
    }
}

/// The far end of the remote client.
pub struct Served(pub Arc<dyn Auth>);

#[async_trait]
impl ServeContract for Served {
    async fn serve(&self, method: &str, ctx: &Ctx, body: &[u8]) -> Result<Vec<u8>> {
        match method {
            "verification_keys" => crate::answer(&self.0.verification_keys(ctx).await?),
            "ended_sessions" => crate::answer(&self.0.ended_sessions(ctx).await?),
            "key_token" => {
                let key_hash: String = crate::request(body)?;
                crate::answer(&self.0.key_token(ctx, &key_hash).await?)
            }
            other => Err(crate::no_such_method("auth", other)),
        }
    }
}
