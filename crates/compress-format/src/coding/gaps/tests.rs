//! Positions come back, are never out of order or range, and take few bits.

use super::*;
use proptest::prelude::*;

fn encode(positions: &[u32]) -> (Vec<u8>, u32) {
    let (parameter, length) = best_parameter(positions);
    let mut bits = BitWriter::default();
    write(&mut bits, positions, parameter);
    let bytes = bits.finish();
    assert_eq!(bytes.len() as u64, length.div_ceil(8));
    (bytes, parameter)
}

proptest! {
    #[test]
    fn what_is_written_is_read(set in proptest::collection::btree_set(0_u32..5000, 0..400)) {
        let positions: Vec<u32> = set.into_iter().collect();
        let (bytes, parameter) = encode(&positions);
        let read_back = read(&mut BitReader::new(&bytes), positions.len(), 5000, parameter);
        prop_assert_eq!(read_back.unwrap(), positions);
    }

    #[test]
    fn any_bytes_give_ascending_positions_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        count in 0_usize..1000,
        total in prop_oneof![0_u32..2000, Just(u32::MAX)],
        parameter in 0_u32..32,
    ) {
        if let Ok(positions) = read(&mut BitReader::new(&bytes), count, total, parameter) {
            prop_assert!(positions.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(positions.iter().all(|&p| p < total));
        }
    }
}

#[test]
fn dense_positions_take_no_more_than_a_bitmap() {
    let positions: Vec<u32> = (0..784).filter(|i| i % 3 != 0).collect();
    assert!(encode(&positions).0.len() <= 98);
}

#[test]
fn sparse_positions_take_little_more_than_their_entropy() {
    // One in 64 at random would take 0.1161 bits a position.
    let mut stream = compress_core::rng::stream(1, "coding.gaps");
    let positions: Vec<u32> = (0..100_000)
        .filter(|_| compress_core::rng::below(&mut stream, 64) == 0)
        .collect();
    let ratio = encode(&positions).0.len() as f64 * 8.0 / 11_610.0;
    assert!(ratio < 1.08, "{ratio}");
}

#[test]
fn a_position_past_the_end_is_refused() {
    let (bytes, parameter) = encode(&[3, 900]);
    assert!(read(&mut BitReader::new(&bytes), 2, 900, parameter).is_err());
    assert!(read(&mut BitReader::new(&bytes), 2, 901, parameter).is_ok());
}
