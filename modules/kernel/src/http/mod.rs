//! The HTTP envelope: how a request is let in, read and answered.

mod body;
mod common;
pub mod cookies;
mod extract;
mod gate;
mod guard;
mod objects;
mod omitted;
mod openapi;
mod operations;
mod reply;
mod routes;
mod scope;
mod upload;

pub use body::{MAX_BODY_BYTES, discard_body, read_body};
pub(crate) use extract::hex;
pub use extract::{Json, Path, Query, content_type, nullable, read_json, read_value};
pub use gate::Gate;
pub(crate) use guard::check_step_up;
pub use guard::{Guard, guard};
pub use omitted::Omitted;
pub use openapi::{finish_spec, module_operations, module_spec};
pub use operations::{Access, Operation, Operations};
pub use reply::{Reply, Versioned};
pub use routes::Routes;
pub use scope::request_scope;
pub use upload::Upload;
