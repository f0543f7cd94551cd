//! Round trips, lengths and limits.

use super::*;
use crate::coding::range_coder::{Decoder, Encoder};
use proptest::prelude::*;

fn encode(counts: &[u32], most: u32) -> Vec<u8> {
    let (mut encoder, mut model) = (Encoder::default(), Counts::default());
    for &count in counts {
        assert_eq!(model.code(&mut encoder, count, most), count);
    }
    encoder.finish()
}

fn decode(bytes: &[u8], rows: usize, most: u32) -> Vec<u32> {
    let (mut decoder, mut model) = (Decoder::new(bytes), Counts::default());
    (0..rows)
        .map(|_| model.code(&mut decoder, 0, most))
        .collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(counts in proptest::collection::vec(0_u32..=100, 0..50)) {
        prop_assert_eq!(decode(&encode(&counts, 100), counts.len(), 100), counts);
    }

    #[test]
    fn no_row_has_more_than_it_can(bytes in proptest::collection::vec(any::<u8>(), 0..60), most in 0_u32..50) {
        prop_assert!(decode(&bytes, 60, most).iter().all(|count| *count <= most));
    }
}

#[test]
fn sorted_rows_take_two_bits_each() {
    let sorted: Vec<u32> = (0..200).map(|row| 60 - row / 4).collect();
    let bytes = encode(&sorted, 784);
    assert!(bytes.len() < 200 * 2 / 8, "{} bytes", bytes.len());
}
