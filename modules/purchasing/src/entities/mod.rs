//! The module's tables.

pub(crate) mod billed_line;
pub(crate) mod purchase_order;
pub(crate) mod purchase_order_line;
pub(crate) mod receipt;
pub(crate) mod receipt_line;
pub(crate) mod supplier;
pub(crate) mod supplier_bank_account;
