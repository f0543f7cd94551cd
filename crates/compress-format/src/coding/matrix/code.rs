//! A matrix, row by row, in either direction.

use super::geometry::Geometry;
use super::magnitude::{self, Magnitude};
use super::positions::Positions;
use crate::coding::range_coder::BitCoder;

/// The largest magnitude that [`code_integers`] can code.
pub const LARGEST: u32 = magnitude::LARGEST;

/// Codes a row-major matrix whose columns are arranged as `geometry`. A decoder fills `values`,
/// whose contents do not matter before.
///
/// `range` gives, for a flat position, how far below and above 0 the value may lie; both at most
/// [`LARGEST`]. A decoder returns only such values, whatever it reads. An encoder changes values
/// outside of the range to what a decoder will return.
pub fn code_integers(
    coder: &mut impl BitCoder,
    geometry: &Geometry,
    values: &mut [i32],
    range: impl Fn(usize) -> (u32, u32),
) {
    let columns = geometry.columns().max(1);
    let range = |position| {
        let (lowest, highest) = range(position);
        (lowest.min(LARGEST), highest.min(LARGEST))
    };
    for (position, value) in values.iter_mut().enumerate() {
        *value *= i32::from(range(position) != (0, 0));
    }
    let mut magnitude = Magnitude::new(geometry);
    let mut row = usize::MAX;
    code_nonzeros(coder, geometry, values, |coder, position, value| {
        if position / columns != row {
            row = position / columns;
            magnitude.begin_row();
        }
        match range(position) {
            (0, 0) => 0,
            range => magnitude.code(coder, position % columns, value, range),
        }
    });
}

/// Codes a matrix by predicting only where its zeros are; `other` codes each value that is not 0.
pub fn code_sparse<C: BitCoder>(
    coder: &mut C,
    geometry: &Geometry,
    values: &mut [u32],
    mut other: impl FnMut(&mut C, u32) -> u32,
) {
    code_nonzeros(coder, geometry, values, |coder, _, value| {
        other(coder, value)
    });
}

/// Row by row, where the non-zeros are, then each of them by `other`, which is given its flat
/// position.
pub(super) fn code_nonzeros<C: BitCoder, T: Copy + Default + PartialEq>(
    coder: &mut C,
    geometry: &Geometry,
    values: &mut [T],
    mut other: impl FnMut(&mut C, usize, T) -> T,
) {
    let (columns, zero) = (geometry.columns(), T::default());
    if columns == 0 {
        // No row holds a value.
        return values.fill(zero);
    }
    let mut positions = Positions::new(geometry);
    for (row, values) in values.chunks_mut(columns).enumerate() {
        let nonzero: Vec<bool> = values.iter().map(|value| *value != zero).collect();
        let nonzero = positions.code_row(coder, nonzero);
        for (column, (value, nonzero)) in values.iter_mut().zip(nonzero).enumerate() {
            *value = match nonzero {
                true => other(coder, row * columns + column, *value),
                false => zero,
            };
        }
    }
}
