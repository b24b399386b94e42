//! Events that a subscriber refused too often.

kernel::parked_event_routes!("billing", crate::service::Service);
