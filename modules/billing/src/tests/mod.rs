//! Tests of the module as a whole, on a database of their own.
