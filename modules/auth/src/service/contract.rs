//! What auth promises the other modules.

use async_trait::async_trait;
use chrono::TimeDelta;
use contracts::auth::Auth;
use contracts::ids::SessionId;
use kernel::token::PublicKey;
use kernel::{Ctx, Result};

use crate::service::Service;

/// How long a process goes by what it was told of a key.
const KEY_TOKEN_TTL: TimeDelta = TimeDelta::seconds(60);

#[async_trait]
impl Auth for Service {
    async fn verification_keys(&self, _: &Ctx) -> Result<Vec<PublicKey>> {
        self.public_keys().await
    }

    async fn ended_sessions(&self, _: &Ctx) -> Result<Vec<SessionId>> {
        self.ended_lately().await
    }

    async fn key_token(&self, ctx: &Ctx, key_hash: &str) -> Result<String> {
        Ok(self.token_of_key(ctx, key_hash, None, KEY_TOKEN_TTL).await?.access_token)
    }
}
