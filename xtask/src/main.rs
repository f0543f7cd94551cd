//! End-to-end experiments and the workspace's own checks.
#![forbid(unsafe_code)]
#![allow(dead_code, unused_imports)]

mod data;
mod report;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match tidy::run(&root) {
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            ExitCode::from(u8::from(!findings.is_empty()))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
