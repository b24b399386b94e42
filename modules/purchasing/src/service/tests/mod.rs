//! Tests of the module from the inside.
