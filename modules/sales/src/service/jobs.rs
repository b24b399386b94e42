//! Work done by the clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::module::RunJob;
use kernel::{Ctx, Job, Result};

use crate::service::Service;

/// Gives back credit whose hold is over.
struct ExpireHolds(Arc<Service>);

#[async_trait]
impl RunJob for ExpireHolds {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        let expired = self.0.expire_holds(ctx).await?;
        if expired > 0 {
            tracing::info!(expired, "expired credit holds");
        }
        Ok(())
    }
}

/// Closes quotations nobody answered in time.
struct ExpireQuotations(Arc<Service>);

#[async_trait]
impl RunJob for ExpireQuotations {
    async fn run(&self, ctx: &Ctx) -> Result<()> {
        let expired = self.0.expire_quotations(ctx).await?;
        if expired > 0 {
            tracing::info!(expired, "expired quotations");
        }
        Ok(())
    }
}

impl Service {
    pub(crate) fn jobs(service: &Arc<Service>) -> Vec<Job> {
        // Zero would be a busy loop.
        let every = Duration::from_secs(service.config.expiry_interval_s.max(1));
        vec![
            Job { name: "expire_credit_holds", every, run: Arc::new(ExpireHolds(service.clone())) },
            Job {
                name: "expire_quotations",
                every,
                run: Arc::new(ExpireQuotations(service.clone())),
            },
        ]
    }
}
