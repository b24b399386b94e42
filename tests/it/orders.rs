//! Black-box tests of orders.
