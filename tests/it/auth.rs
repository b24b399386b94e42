//! Black-box tests of auth.
