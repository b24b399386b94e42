//! The module's tables.

pub(crate) mod backorder;
pub(crate) mod category;
pub(crate) mod product;
pub(crate) mod product_template;
pub(crate) mod product_unit;
pub(crate) mod product_word;
pub(crate) mod reservation;
pub(crate) mod stock_level;
pub(crate) mod stock_move;
pub(crate) mod warehouse;
