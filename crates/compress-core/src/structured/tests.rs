//! Values come back, and lengths that only claim to be there take no memory.

use super::*;

#[test]
fn what_is_written_is_read_from_the_beginning() {
    let value = (7_u32, String::from("layers.0"), vec![1.5_f32, -0.0]);
    let mut bytes = to_bytes(&value).unwrap();
    let length = bytes.len();
    bytes.push(9);
    let read: ((u32, String, Vec<f32>), usize) = from_bytes(&bytes).unwrap();
    assert_eq!(read, (value, length));
    for cut in 0..length {
        let read = from_bytes::<(u32, String, Vec<f32>)>(&bytes[..cut]);
        assert!(matches!(read, Err(Error::Format { .. })), "{cut}");
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_as_such() {
    // Text of 2^62 bytes: 253 says that eight bytes hold the length.
    let mut bytes = vec![253];
    bytes.extend((1_u64 << 62).to_le_bytes());
    let error = from_bytes::<String>(&bytes).unwrap_err().to_string();
    assert!(error.contains("LimitExceeded"), "{error}");
}
