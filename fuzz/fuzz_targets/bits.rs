//! Widths and bytes: packed bits end in an error, never past the end.
#![no_main]

use compress_format::coding::bits::BitReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Vec<u8>)| {
    let (bytes, widths) = input;
    let mut reader = BitReader::new(bytes);
    for width in widths {
        let _ = reader.take(u32::from(width % 33));
        let _ = reader.take_unary(u32::from(width));
        assert!(reader.bytes_read() <= bytes.len());
    }
});
