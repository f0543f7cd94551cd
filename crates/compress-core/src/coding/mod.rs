//! Byte coders.
