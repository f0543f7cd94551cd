//! End-to-end experiments and the workspace's own checks.
#![forbid(unsafe_code)]
#![allow(dead_code, unused_imports)]

mod data;
mod report;

fn main() {}
