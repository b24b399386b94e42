//! The module's tables.

pub(crate) mod event;
pub(crate) mod goods_return;
pub(crate) mod order;
pub(crate) mod order_line;
pub(crate) mod order_tax;
pub(crate) mod return_line;
pub(crate) mod shipment;
pub(crate) mod shipment_line;
