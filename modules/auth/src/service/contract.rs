//! What auth promises the other modules.

use async_trait::async_trait;
use contracts::auth::Auth;
use contracts::ids::SessionId;
use kernel::token::PublicKey;
use kernel::{Ctx, Result};

use crate::service::Service;

#[async_trait]
impl Auth for Service {
    async fn verification_keys(&self, _: &Ctx) -> Result<Vec<PublicKey>> {
        Ok(self.signer.public_keys().to_vec())
    }

    async fn ended_sessions(&self, _: &Ctx) -> Result<Vec<SessionId>> {
        self.ended_lately().await
    }
}
