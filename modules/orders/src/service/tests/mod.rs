//! Tests of the whole module, against others that answer from memory.

mod confirming;
mod constraints;
mod days;
mod hearing;
mod others;
mod random;
mod world;
