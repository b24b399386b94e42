//! The module's tables.

pub(crate) mod product;
