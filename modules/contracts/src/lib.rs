//! What modules promise each other: for each module a trait, its request and answer
//! types, its remote client and the far end of it; and the events they publish.
//!
//! A change here is a change of a promise: new fields have defaults, a rename takes
//! two releases.

pub mod auth;
pub mod billing;
pub mod common;
pub mod events;
pub mod ids;
pub mod inventory;
pub mod sales;

use kernel::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads the request of an internal call.
fn request<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    kernel::http::read_json(body)
}

/// Writes its answer.
fn answer(value: &impl Serialize) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}

fn no_such_method(module: &str, method: &str) -> Error {
    Error::not_found("method", format!("{module}/{method}"))
}
