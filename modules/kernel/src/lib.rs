//! What every module stands on, without a business word: errors, the HTTP
//! envelope, exact amounts, the database transaction that carries audit,
//! idempotency and events, and calls between modules.

pub mod background;
pub mod breaker;
pub mod cache;
pub mod config;
pub mod ctx;
pub mod date;
pub mod db;
pub mod error;
pub mod events;
pub mod http;
pub mod id;
pub mod machine;
pub mod metrics;
pub mod module;
pub mod money;
pub mod page;
pub mod quantity;
pub mod rate;
pub mod redis;
pub mod remote;
pub mod service;
pub mod table;
pub mod text;
pub mod tls;
pub mod token;
pub mod trace;

pub use ctx::{Actor, Ctx};
pub use error::{Error, FieldError, Problem, Result};
pub use id::Id;
pub use machine::{Machine, Transition};
pub use module::{Job, Module};
