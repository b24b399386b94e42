//! Who changed what in this module, and the proof that the log was not changed afterwards.

kernel::audit_routes!("auth", crate::service::Service);
