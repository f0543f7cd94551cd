//! Round trips, lengths and limits.

use super::*;
use crate::coding::range_coder::{Decoder, Encoder};
use proptest::prelude::*;

fn encode(numbers: &[u32], most: u32) -> Vec<u8> {
    let (mut encoder, mut model) = (Encoder::default(), Numbers::default());
    for &number in numbers {
        assert_eq!(model.code(&mut encoder, number, most), number.min(most));
    }
    encoder.finish()
}

fn decode(bytes: &[u8], count: usize, most: u32) -> Vec<u32> {
    let (mut decoder, mut model) = (Decoder::new(bytes), Numbers::default());
    let numbers = (0..count).map(|_| model.code(&mut decoder, 0, most));
    numbers.collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(numbers in proptest::collection::vec(0_u32..5_000, 0..60), most in 0_u32..6_000) {
        let bytes = encode(&numbers, most);
        let kept: Vec<u32> = numbers.iter().map(|n| *n.min(&most)).collect();
        prop_assert_eq!(decode(&bytes, numbers.len(), most), kept);
    }

    #[test]
    fn no_bytes_give_more_than_the_most(bytes in proptest::collection::vec(any::<u8>(), 0..40), most: u32) {
        prop_assert!(decode(&bytes, 30, most).iter().all(|n| *n <= most));
    }
}

#[test]
fn extremes() {
    let numbers = [0, u32::MAX, 1, u32::MAX - 1];
    assert_eq!(decode(&encode(&numbers, u32::MAX), 4, u32::MAX), numbers);
}

#[test]
fn like_numbers_get_short() {
    let bytes = encode(&[700; 400], u32::MAX);
    // Seven plain digits each, which are not modelled.
    assert!(bytes.len() < 400 + 20, "{}", bytes.len());
    assert!(encode(&[3; 400], u32::MAX).len() < 20);
}
