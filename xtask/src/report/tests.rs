//! The reports of the fixture, compared with what they must be.

use super::*;

#[test]
fn render_sample() {
    if let Some(dir) = std::env::var_os("SAMPLE_DIR") {
        write(&fixture::report(), Path::new(&dir)).unwrap();
    }
}
