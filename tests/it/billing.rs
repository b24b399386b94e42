//! Black-box tests of billing.
