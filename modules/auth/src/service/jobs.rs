//! Work done by the clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use kernel::db::execute;
use kernel::module::RunJob;
use kernel::{Ctx, Job, Result};

use crate::service::Service;
use crate::service::webhook_delivery::Whom;

/// How long an expired session is kept for whoever looks into what happened; the audit
/// log keeps the sign-in itself for ever.
const KEPT_AFTER_EXPIRY: TimeDelta = TimeDelta::days(30);

impl Service {
    pub(crate) fn jobs(service: &Arc<Service>) -> Vec<Job> {
        vec![
            Job {
                name: "auth.delete_expired_sessions",
                every: Duration::from_secs(3600),
                run: Arc::new(DeleteExpiredSessions(service.clone())),
            },
            Job {
                name: "auth.renew_signing_keys",
                every: Duration::from_secs(3600),
                run: Arc::new(RenewSigningKeys(service.clone())),
            },
            Job {
                name: "auth.tell_webhooks",
                every: Duration::from_secs(1),
                run: Arc::new(TellWebhooks(service.clone(), Whom::Healthy)),
            },
            Job {
                name: "auth.tell_failing_webhooks",
                every: Duration::from_secs(1),
                run: Arc::new(TellWebhooks(service.clone(), Whom::Failing)),
            },
        ]
    }

    /// Deletes refresh tokens that have expired, and later their sessions, and links and keys.
    async fn delete_expired_sessions(&self, ctx: &Ctx) -> Result<()> {
        let tx = self.db.begin(ctx).await?;
        let now = tx.now();
        // Never before the one it was exchanged for: that would look like one used and
        // exchanged for nothing. (It can expire earlier, if the setting was shortened.)
        let tokens = "DELETE FROM refresh_tokens WHERE expires_at <= $1 AND NOT EXISTS \
            (SELECT 1 FROM refresh_tokens p \
             WHERE p.hash = refresh_tokens.parent_hash AND p.expires_at > $1)";
        execute(&*tx, tokens, vec![now.into()]).await?;
        let sessions = "DELETE FROM sessions WHERE expires_at <= $1 AND NOT EXISTS \
            (SELECT 1 FROM refresh_tokens t WHERE t.session_id = sessions.id)";
        let ceremonies = "DELETE FROM passkey_ceremonies WHERE expires_at <= $1";
        execute(&*tx, ceremonies, vec![now.into()]).await?;
        let long_ago = now - KEPT_AFTER_EXPIRY;
        execute(&*tx, sessions, vec![long_ago.into()]).await?;
        for sql in [
            "DELETE FROM links WHERE expires_at <= $1",
            "DELETE FROM api_key_secrets WHERE expires_at <= $1",
        ] {
            execute(&*tx, sql, vec![long_ago.into()]).await?;
        }
        tx.commit().await?;
        self.delete_old_deliveries(ctx).await
    }
}

struct DeleteExpiredSessions(Arc<Service>);

#[async_trait]
impl RunJob for DeleteExpiredSessions {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.delete_expired_sessions(ctx).await
    }
}

struct RenewSigningKeys(Arc<Service>);

#[async_trait]
impl RunJob for RenewSigningKeys {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        self.0.renew_signing_keys(ctx).await
    }
}

struct TellWebhooks(Arc<Service>, Whom);

#[async_trait]
impl RunJob for TellWebhooks {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        let TellWebhooks(service, whom) = self;
        if *whom == Whom::Healthy {
            service.take_events(ctx).await?;
        }
        service.send_due(ctx, *whom).await
    }
}
