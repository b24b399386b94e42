//! Events that a subscriber refused too often.

kernel::parked_event_routes!("sales", crate::service::Service);
