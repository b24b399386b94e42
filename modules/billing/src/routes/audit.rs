//! Who changed what in this module, and the proof that the log was not changed afterwards.

kernel::audit_routes!("billing", crate::service::Service);
