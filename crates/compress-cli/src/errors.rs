//! How far the values of one tensor are from those of another.

use std::ops::Range;

use compress_core::tensor::matrix_shape;
use compress_core::{Error, Result};
use compress_io::stream::RowOrder;
use compress_io::{Checkpoint, ColumnWeights, Dtype, Source, values};
use rayon::prelude::*;
use serde::Serialize;

/// Values that are compared at a time: whole blocks of every type. Sums do not depend on threads.
const PIECE: usize = 1 << 18;

/// Sums over the values `a` of a tensor and those `b` of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Sums {
    /// Σ a²
    pub(crate) energy: f64,
    /// Σ b²
    other_energy: f64,
    /// Σ a·b
    product: f64,
    /// Σ (a − b)²
    pub(crate) squared_error: f64,
    /// max |a − b|; NaN where one of them is NaN and the other is not.
    pub(crate) largest_error: f64,
}

impl Sums {
    pub(crate) fn of<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> Self {
        Self::weighted(a, b, std::iter::repeat(&1.0))
    }

    /// The same, with each product times a weight.
    pub(crate) fn weighted<'a, T: Copy + Into<f64>>(
        a: &[T],
        b: &[T],
        weights: impl IntoIterator<Item = &'a f32>,
    ) -> Self {
        let mut sums = Sums::default();
        for ((&a, &b), &weight) in a.iter().zip(b).zip(weights) {
            let (a, b, weight): (f64, f64, _) = (a.into(), b.into(), f64::from(weight));
            // Both NaN, or the same infinity.
            if !a.is_finite() && (a == b || a.is_nan() && b.is_nan()) {
                continue;
            }
            let error = (a - b).abs();
            sums.energy += weight * a * a;
            sums.other_energy += weight * b * b;
            sums.product += weight * a * b;
            sums.squared_error += weight * error * error;
            if error.is_nan() || error > sums.largest_error {
                sums.largest_error = error;
            }
        }
        sums
    }

    pub(crate) fn plus(self, other: Sums) -> Sums {
        let largest = match self.largest_error.is_nan() {
            true => self.largest_error,
            false if other.largest_error.is_nan() => other.largest_error,
            false => self.largest_error.max(other.largest_error),
        };
        Sums {
            energy: self.energy + other.energy,
            other_energy: self.other_energy + other.other_energy,
            product: self.product + other.product,
            squared_error: self.squared_error + other.squared_error,
            largest_error: largest,
        }
    }

    /// The squared error relative to the energy of `a`; 0 where both are 0.
    pub(crate) fn relative(&self) -> f64 {
        match self.squared_error == 0.0 {
            true => 0.0,
            false => self.squared_error / self.energy,
        }
    }

    /// 10·log₁₀ of energy over squared error, in decibels; infinite where they are equal.
    pub(crate) fn sqnr(&self) -> f64 {
        match self.squared_error == 0.0 {
            true => f64::INFINITY,
            false => 10.0 * (self.energy / self.squared_error).log10(),
        }
    }

    /// The cosine of the angle between them; 1 where they are equal.
    pub(crate) fn cosine(&self) -> f64 {
        match self.squared_error == 0.0 {
            true => 1.0,
            false => self.product / (self.energy.sqrt() * self.other_energy.sqrt()),
        }
    }
}

/// A tensor of a checkpoint, and the order of its rows.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) index: usize,
    pub(crate) order: Option<&'a RowOrder<'a>>,
}

impl Side<'_> {
    /// The values of some whole rows, or of a range where rows are in their order.
    fn read(&self, bytes: &[u8], columns: usize, range: Range<usize>) -> Result<Vec<f64>> {
        let mut values = Vec::with_capacity(range.len());
        match self.order {
            None => self.append(bytes, range, &mut values)?,
            Some(order) => {
                for row in range.start / columns..range.end / columns {
                    let from = order(row) * columns;
                    self.append(bytes, from..from + columns, &mut values)?;
                }
            }
        }
        Ok(values)
    }

    /// Appends stored values. Those in f64 keep all of their digits.
    fn append(&self, bytes: &[u8], range: Range<usize>, to: &mut Vec<f64>) -> Result<()> {
        let info = &self.checkpoint.tensors()[self.index];
        let at = |values: usize| info.dtype.bytes(values).unwrap_or(u64::MAX) as usize;
        let stored = bytes.get(at(range.start)..at(range.end));
        let stored = stored.unwrap_or_default();
        if info.dtype == Dtype::F64 {
            let values = stored.as_chunks::<8>().0.iter();
            to.extend(values.map(|bytes| f64::from_le_bytes(*bytes)));
            return Ok(());
        }
        let mut values = vec![0.0; range.len()];
        values::widen_into(info.dtype, &info.name, stored, &mut values)?;
        to.extend(values.into_iter().map(f64::from));
        Ok(())
    }
}

/// Compares two tensors of as many values. `importance` has a weight for each column.
///
/// # Errors
/// Where shapes differ, or a tensor stands for no real numbers.
pub(crate) fn compare(
    a: Side<'_>,
    b: Side<'_>,
    importance: Option<ColumnWeights<'_>>,
) -> Result<Sums> {
    let (first, second) = (
        &a.checkpoint.tensors()[a.index],
        &b.checkpoint.tensors()[b.index],
    );
    Error::check_shape(&second.name, &[first.values()], &[second.values()])?;
    let is_moved = a.order.is_some() || b.order.is_some();
    // Of a vector each value is a row that may be elsewhere.
    let columns = match (is_moved, first.shape.as_slice()) {
        (true, [_]) => 1,
        (_, shape) => matrix_shape(shape).1.max(1),
    };
    let piece = match is_moved {
        true => (PIECE / columns).max(1) * columns,
        false => PIECE,
    };
    let count = first.values();
    let (left, right) = (a.checkpoint.bytes(a.index)?, b.checkpoint.bytes(b.index)?);
    let parts: Result<Vec<Sums>> = (0..count.div_ceil(piece))
        .into_par_iter()
        .map(|part| {
            let range = part * piece..count.min((part + 1) * piece);
            let left = a.read(&left, columns, range.clone())?;
            let right = b.read(&right, columns, range.clone())?;
            let Some(weights) = importance else {
                return Ok(Sums::of(&left, &right));
            };
            let rows = range.start / weights.columns()..range.end.div_ceil(weights.columns());
            let of_columns = rows.flat_map(|row| weights.row(row));
            let first = range.start % weights.columns();
            Ok(Sums::weighted(&left, &right, of_columns.skip(first)))
        })
        .collect();
    let sums = parts?.into_iter().fold(Sums::default(), Sums::plus);
    let lengths = (left.len(), right.len());
    drop((left, right));
    a.checkpoint.release(a.index, 0..lengths.0);
    b.checkpoint.release(b.index, 0..lengths.1);
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_definition() {
        let sums = Sums::of(&[3.0, 4.0], &[3.0, 3.0]);
        assert_eq!(
            (sums.energy, sums.squared_error, sums.largest_error),
            (25.0, 1.0, 1.0)
        );
        assert_eq!(sums.relative(), 0.04);
        assert!((sums.sqnr() - 13.979_400_086_720_376).abs() < 1e-12);
        assert!((sums.cosine() - 21.0 / (5.0 * 18f64.sqrt())).abs() < 1e-15);
        let weighted = Sums::weighted(&[1.0, 2.0, 3.0], &[0.0; 3], &[10.0, 1.0, 10.0]);
        assert_eq!(weighted.squared_error, 10.0 + 4.0 + 90.0);
        let fine = Sums::of(&[1.0_f64], &[1.0 + 1e-10]);
        assert!(fine.squared_error > 0.0, "f64 is compared as f64");
        let same = Sums::of(&[0.0, f32::NAN], &[0.0, f32::NAN]);
        assert_eq!(
            (same.relative(), same.sqnr(), same.cosine()),
            (0.0, f64::INFINITY, 1.0)
        );
        let broken = Sums::of(&[1.0, 1.0], &[f32::NAN, 1.0]);
        assert!(broken.largest_error.is_nan() && broken.plus(sums).largest_error.is_nan());
        assert!(broken.relative().is_nan());
    }
}
