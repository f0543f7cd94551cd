//! Holds the benches; there is nothing to import.
