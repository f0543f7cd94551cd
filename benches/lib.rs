//! Holds the benches; there is nothing to import.
#![forbid(unsafe_code)]
