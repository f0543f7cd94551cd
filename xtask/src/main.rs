//! End-to-end experiments and the workspace's own checks.

fn main() {}
