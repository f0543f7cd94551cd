//! Packed bits and unary numbers come back, and nothing else is taken for them.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_is_read(items in proptest::collection::vec((any::<u32>(), 0_u32..=32), 0..300)) {
        let mut writer = BitWriter::default();
        for &(value, width) in &items {
            writer.push(value, width);
        }
        let bytes = writer.finish();
        let bits: usize = items.iter().map(|i| i.1 as usize).sum();
        prop_assert_eq!(bytes.len(), bits.div_ceil(8));
        let mut reader = BitReader::new(&bytes);
        for (value, width) in items {
            let expected = (u64::from(value) & ((1 << width) - 1)) as u32;
            prop_assert_eq!(reader.take(width).unwrap(), expected);
        }
        prop_assert_eq!(reader.bytes_read(), bytes.len());
        prop_assert!(reader.take(8).is_err());
    }

    #[test]
    fn unary_numbers_come_back(numbers in proptest::collection::vec(0_u32..200, 0..50)) {
        let mut writer = BitWriter::default();
        numbers.iter().for_each(|&n| writer.push_unary(n));
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        for n in numbers {
            prop_assert_eq!(reader.take_unary(n).unwrap(), n);
        }
    }
}

#[test]
fn a_number_larger_than_expected_is_refused() {
    assert!(BitReader::new(&[0, 1]).take_unary(7).is_err());
    assert_eq!(BitReader::new(&[0, 1]).take_unary(8).unwrap(), 8);
}
