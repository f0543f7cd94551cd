//! Codes the positions of few among many as gaps: how many positions lie between one and the next.
//! The code (Rice's) has a parameter that suits the mean gap.
//!
//! At its smallest parameter the code is a bitmap, so it is never much longer than one.
//!
//! # References
//! Rice and Plaunt, *Adaptive variable-length coding for efficient compression of spacecraft
//! television data* (1971).

use super::bits::{BitReader, BitWriter};
use super::varint;
use compress_core::Result;

#[cfg(test)]
mod tests;

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

/// Appends the count of `positions`, which must ascend, and the parameter that suits them. Returns the
/// bits that follow, which begin with the gaps.
pub fn write_all(bytes: &mut Vec<u8>, positions: &[u32]) -> BitWriter {
    let (parameter, _) = best_parameter(positions);
    varint::write(bytes, positions.len() as u64);
    bytes.push(parameter as u8);
    let mut bits = BitWriter::default();
    write(&mut bits, positions, parameter);
    bits
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
