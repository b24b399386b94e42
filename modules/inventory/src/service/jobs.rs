//! Work done by the clock.

use std::sync::Arc;

use kernel::Job;

use crate::service::Service;

impl Service {
    pub(crate) fn jobs(_: &Arc<Service>) -> Vec<Job> {
        Vec::new()
    }
}
