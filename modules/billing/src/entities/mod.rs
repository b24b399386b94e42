//! The module's tables.

pub(crate) mod account;
pub(crate) mod account_balance;
pub(crate) mod bill;
pub(crate) mod bill_line;
pub(crate) mod credit_allocation;
pub(crate) mod credit_note;
pub(crate) mod credit_note_line;
pub(crate) mod credit_note_use;
pub(crate) mod goods_received;
pub(crate) mod invoice;
pub(crate) mod invoice_line;
pub(crate) mod journal_entry;
pub(crate) mod journal_line;
pub(crate) mod payment;
pub(crate) mod payment_allocation;
pub(crate) mod period_lock;
pub(crate) mod purchase_order;
pub(crate) mod purchase_order_line;
pub(crate) mod refund;
mod rounding_mode;
pub(crate) mod tax_rate;

pub(crate) use rounding_mode::Mode;
