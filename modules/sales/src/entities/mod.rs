//! The module's tables.

pub(crate) mod credit_exposure;
pub(crate) mod customer;
pub(crate) mod customer_credit;
pub(crate) mod price;
pub(crate) mod price_list;
pub(crate) mod quotation;
pub(crate) mod quotation_line;
pub(crate) mod quotation_tax;
pub(crate) mod receivable_entry;
pub(crate) mod sales_fact;
