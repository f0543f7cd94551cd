//! A number that is read is written back in no more bytes.
#![no_main]

use compress_format::coding::reader::Reader;
use compress_format::coding::varint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes, 0);
    while let Ok(number) = reader.varint(usize::MAX, "a number") {
        let mut written = Vec::new();
        varint::write(&mut written, number as u64);
        let again = Reader::new(&written, 0).varint(usize::MAX, "a number");
        assert_eq!(again.expect("what was written can be read"), number);
    }
});
