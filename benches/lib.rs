//! Holds the benches; there is nothing to import.
#![forbid(unsafe_code)]

/// The examples of the README, which are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The examples of the guide, likewise.
#[cfg(doctest)]
#[doc = include_str!("../docs/your-own-model.md")]
pub struct Guide;
