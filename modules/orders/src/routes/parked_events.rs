//! Events that a subscriber refused too often.

kernel::parked_event_routes!("orders", crate::service::Service);
