//! Black-box tests of sales.
