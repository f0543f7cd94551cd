//! Pieces come back, and errors say where the bytes are wrong.

use super::*;

#[test]
fn errors_say_where_and_what() {
    let mut reader = Reader::new(&[1, 2, 3, 0], 0);
    assert_eq!(reader.take(2, "the magic").unwrap(), [1, 2]);
    let message = reader.take(3, "the checksum").unwrap_err().to_string();
    assert_eq!(
        message,
        "at byte 2: the checksum needs 3 bytes, but 2 are left"
    );
    assert!(reader.take(usize::MAX, "x").is_err());
    assert_eq!(reader.bits(|bits| bits.take(5)).unwrap(), 3);
    let message = reader
        .bits(|bits| bits.take_unary(2))
        .unwrap_err()
        .to_string();
    assert_eq!(message, "at byte 3: a number in unary is larger than 2");
    assert_eq!((reader.offset(), reader.remaining()), (3, 1));
}

#[test]
fn packed_numbers_that_are_cut_off_say_where_they_begin() {
    let mut reader = Reader::new(&[1, 0b1110_0100, 0], 1);
    let twice = |bits: u32| 2 * bits;
    let message = |error: Error| error.to_string();
    assert_eq!(
        message(reader.packed(9, 2, "zero points", twice).unwrap_err()),
        "at byte 1: 9 zero points are cut off"
    );
    assert!(reader.packed(usize::MAX, 32, "values", twice).is_err());
    let numbers = reader.packed(4, 2, "zero points", twice).unwrap();
    assert_eq!((numbers, reader.offset()), (vec![0, 2, 4, 6], 2));
}
