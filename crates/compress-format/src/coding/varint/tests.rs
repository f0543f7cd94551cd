//! Numbers come back, and too long or too large ones are refused.

use super::*;
use crate::coding::reader::Reader;
use proptest::prelude::*;

fn read(bytes: &[u8]) -> compress_core::Result<usize> {
    Reader::new(bytes, 0).varint(usize::MAX, "a number")
}

proptest! {
    #[test]
    fn what_is_written_is_read(value: u64, shift in 0_u32..64) {
        let value = value >> shift;
        let mut bytes = Vec::new();
        write(&mut bytes, value);
        let significant = (64 - value.leading_zeros()).max(1) as usize;
        prop_assert_eq!(bytes.len(), significant.div_ceil(7));
        prop_assert_eq!(read(&bytes).unwrap() as u64, value);
        bytes.pop();
        prop_assert!(read(&bytes).is_err());
    }
}

#[test]
fn too_long_or_too_large_a_number_is_refused() {
    assert!(read(&[0xff; 11]).is_err());
    assert!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).is_err());
    let limited = Reader::new(&[200, 1], 0).varint(199, "the width");
    let message = limited.unwrap_err().to_string();
    assert_eq!(message, "at byte 0: the width is 200, but at most 199 fits");
}
