//! The positions of few among many: how many positions lie between one and the next, by a code
//! that suits their mean.
//!
//! At its shortest parameter it is a bitmap, so that it is never much longer than one.
//!
//! # References
//! Rice and Plaunt, *Adaptive variable-length coding for efficient compression of spacecraft
//! television data* (1971).

use super::bits::{BitReader, BitWriter};
use crate::Result;

/// The parameter that makes the gaps of `positions` (ascending) shortest, and their length in
/// bits.
pub fn best_parameter(positions: &[u32]) -> (u32, u64) {
    let cost = |parameter: u32| -> u64 {
        gaps(positions)
            .map(|gap| u64::from(gap >> parameter) + 1 + u64::from(parameter))
            .sum()
    };
    (0..32)
        .map(|k| (k, cost(k)))
        .min_by_key(|&(k, bits)| (bits, k))
        .unwrap_or((0, 0))
}

/// Appends `positions`, which must ascend, with `parameter` below 32 (31 where it is more).
pub fn write(bits: &mut BitWriter, positions: &[u32], parameter: u32) {
    let parameter = parameter.min(31);
    for gap in gaps(positions) {
        bits.push_unary(gap >> parameter);
        bits.push(gap, parameter);
    }
}

/// Reads `count` positions below `total`, written with `parameter` below 32.
///
/// # Errors
/// Where the bits end before, or a position is not below `total`.
pub fn read(
    bits: &mut BitReader<'_>,
    count: usize,
    total: u32,
    parameter: u32,
) -> Result<Vec<u32>> {
    let parameter = parameter.min(31);
    // A gap takes at least one bit, so that a false count cannot ask for more memory than that.
    let mut positions = Vec::with_capacity(count.min(bits.bits_left()));
    let mut next = 0;
    for _ in 0..count {
        let room = total - next;
        let high = bits.take_unary(room >> parameter)?;
        let gap = (high << parameter) | bits.take(parameter)?;
        if gap >= room {
            return Err(bits.error(format!("a position is not below {total}")));
        }
        positions.push(next + gap);
        next += gap + 1;
    }
    Ok(positions)
}

fn gaps(positions: &[u32]) -> impl Iterator<Item = u32> {
    positions.iter().scan(0, |next, &position| {
        let gap = position.saturating_sub(*next);
        *next = position.wrapping_add(1);
        Some(gap)
    })
}

#[cfg(test)]
mod tests {
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
        let mut stream = crate::rng::stream(1, "coding.gaps");
        let positions: Vec<u32> = (0..100_000)
            .filter(|_| crate::rng::below(&mut stream, 64) == 0)
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
}
