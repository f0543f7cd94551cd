//! Any bits under any probabilities come back, and any bytes decode.
#![no_main]

use compress_format::coding::range_coder::{BitCoder, Decoder, Encoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(bool, u16)>, &[u8])| {
    let (pairs, bytes) = input;
    let mut encoder = Encoder::default();
    for &(bit, probability) in &pairs {
        encoder.code(bit, probability);
    }
    let written = encoder.finish();
    let (mut decoder, mut any) = (Decoder::new(&written), Decoder::new(bytes));
    for (bit, probability) in pairs {
        assert_eq!(decoder.code(false, probability), bit);
        any.code(false, probability);
    }
});
