//! Black-box tests of purchasing.
