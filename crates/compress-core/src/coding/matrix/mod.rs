//! Sparse matrices of small integers in close to their entropy.
//!
//! For each position whether it is zero, and for the others sign and magnitude, by an adaptive
//! model and the range coder. The model is written once for both directions: [`code_integers`]
//! writes with an encoder and reads with a decoder.

pub mod geometry;
mod magnitude;
mod significance;

use geometry::Geometry;
use magnitude::Magnitude;
use significance::Significance;

use super::range_coder::BitCoder;

/// The largest magnitude that [`code_integers`] can code.
pub const LARGEST: u32 = magnitude::LARGEST;

/// Codes a matrix, row-major, whose columns are arranged as `geometry`. A decoder fills `values`,
/// which may hold anything before.
///
/// `range` gives for a flat position how far below and above 0 the value may lie, at most
/// [`LARGEST`] both. A decoder returns no other values, whatever it reads; an encoder changes
/// those that lie outside to the ones that a decoder will return.
pub fn code_integers(
    coder: &mut impl BitCoder,
    geometry: &Geometry,
    values: &mut [i32],
    range: impl Fn(usize) -> (u32, u32),
) {
    let columns = geometry.columns();
    if columns == 0 {
        // No row holds a value.
        return values.fill(0);
    }
    let mut significance = Significance::new(geometry);
    let mut magnitude = Magnitude::new(geometry);
    for (i, row) in values.chunks_mut(columns).enumerate() {
        significance.begin_row();
        magnitude.begin_row();
        for (column, value) in row.iter_mut().enumerate() {
            let (lowest, highest) = range(i * columns + column);
            let range = (lowest.min(LARGEST), highest.min(LARGEST));
            let possible = range != (0, 0);
            *value = if possible && significance.code(coder, column, *value != 0) {
                magnitude.code(coder, column, *value, range)
            } else {
                0
            };
        }
    }
}

/// Codes a matrix of which only the zeros are predicted: `other` codes each value that is not 0.
pub fn code_sparse<C: BitCoder>(
    coder: &mut C,
    geometry: &Geometry,
    values: &mut [u32],
    mut other: impl FnMut(&mut C, u32) -> u32,
) {
    let columns = geometry.columns();
    if columns == 0 {
        return values.fill(0);
    }
    let mut significance = Significance::new(geometry);
    for row in values.chunks_mut(columns) {
        significance.begin_row();
        for (column, value) in row.iter_mut().enumerate() {
            *value = if significance.code(coder, column, *value != 0) {
                other(coder, *value)
            } else {
                0
            };
        }
    }
}

#[cfg(test)]
mod tests;
