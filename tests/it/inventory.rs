//! Black-box tests of inventory.
