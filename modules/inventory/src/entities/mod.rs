//! The module's tables.

pub(crate) mod adjustment_reason;
pub(crate) mod adjustment_request;
pub(crate) mod backorder;
pub(crate) mod category;
pub(crate) mod cost_layer;
pub(crate) mod expected_receipt;
pub(crate) mod landed_cost;
pub(crate) mod product;
pub(crate) mod product_template;
pub(crate) mod product_unit;
pub(crate) mod product_word;
pub(crate) mod reorder_rule;
pub(crate) mod reservation;
pub(crate) mod stock_count;
pub(crate) mod stock_count_line;
pub(crate) mod stock_level;
pub(crate) mod stock_move;
pub(crate) mod transfer;
pub(crate) mod transfer_line;
pub(crate) mod warehouse;
