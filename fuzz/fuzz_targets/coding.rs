//! Any bytes as the codes of a matrix: every value within its range, whatever is read.
#![no_main]

use compress_core::coding::matrix::{code_integers, geometry::Geometry};
use compress_core::coding::range_coder::Decoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut values = vec![0; 1000];
    code_integers(
        &mut Decoder::new(bytes),
        &Geometry::line(25),
        &mut values,
        |_| (7, 8),
    );
    assert!(values.iter().all(|v| (-7..=8).contains(v)));
});
