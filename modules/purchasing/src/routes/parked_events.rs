//! Events that a subscriber refused too often.

kernel::parked_event_routes!("purchasing", crate::service::Service);
