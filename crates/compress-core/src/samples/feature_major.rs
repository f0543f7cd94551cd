//! Samples read feature by feature, and only the features that are wanted.

use ndarray::ArrayViewMut2;
use rayon::prelude::*;

use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// A feature, and the row that takes it.
pub type FeatureRow = (usize, usize);

/// Samples that can be read feature by feature, as needed by a first layer with few live weights.
/// Features that it does not read cost nothing, and nothing has to be transposed. They are not
/// checked either: a value that is not finite goes unnoticed in a feature that no live weight
/// reads.
pub trait FeatureMajor {
    /// Writes the samples `indices` as columns of `out` `[rows, indices.len()]`: each feature of
    /// `wanted` into its row, in the very bits that [`super::Samples::fill`] writes. Other rows
    /// stay as they are.
    ///
    /// # Errors
    /// Where a sample or feature does not exist, the rows of `wanted` do not ascend or are not
    /// all there, or `out` has another shape or is not contiguous and row-major.
    fn fill_by_feature(
        &self,
        epoch: u64,
        indices: &[usize],
        wanted: &[FeatureRow],
        out: ArrayViewMut2<'_, f32>,
    ) -> Result<()>;
}

/// Implements [`FeatureMajor::fill_by_feature`] for samples in memory. `samples` are those of the
/// batch, in order and of one length; `value` converts one of their elements.
///
/// # Errors
/// As [`FeatureMajor::fill_by_feature`].
pub fn gather_by_feature<T: Copy + Sync>(
    samples: &[&[T]],
    value: impl Fn(T) -> f32 + Sync,
    wanted: &[FeatureRow],
    mut out: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    /// Rows of `out` that one task writes.
    const TASK: usize = 64;
    let (rows, columns) = out.dim();
    Error::check_shape("the batch", &[rows, samples.len()], &[rows, columns])?;
    let Some(features) = samples.iter().map(|sample| sample.len()).min() else {
        return Ok(());
    };
    check_wanted(wanted, features, rows)?;
    let strided = || Error::invalid("the batch", "strided", "contiguous and row-major");
    let out = out.as_slice_mut().ok_or_else(strided)?;
    let tasks = out.par_chunks_mut((TASK * columns).max(1)).enumerate();
    tasks.for_each(|(task, out)| {
        let first = task * TASK;
        let of_task = |row: usize| wanted.partition_point(|&(_, r)| r < row);
        let wanted = &wanted[of_task(first)..of_task(first + TASK)];
        for (block, samples) in samples.chunks(BLOCK).enumerate() {
            let out = &mut out[block * BLOCK..];
            let at = |row| (row - first) * columns;
            match <&[&[T]; BLOCK]>::try_from(samples) {
                Ok(samples) => gather_block(samples, &value, wanted, at, out),
                Err(_) => {
                    for &(feature, row) in wanted {
                        let out = out[at(row)..].iter_mut().zip(samples);
                        out.for_each(|(out, sample)| *out = value(sample[feature]));
                    }
                }
            }
        }
    });
    Ok(())
}

/// Samples that are processed together. Their cache lines stay in the first cache while all
/// features are processed.
const BLOCK: usize = 16;

/// The same for a whole block. The compiler knows its length, so one check of the feature is enough
/// for all samples.
fn gather_block<T: Copy>(
    samples: &[&[T]; BLOCK],
    value: &impl Fn(T) -> f32,
    wanted: &[FeatureRow],
    at: impl Fn(usize) -> usize,
    out: &mut [f32],
) {
    let features = samples.iter().map(|sample| sample.len()).min();
    let features = features.unwrap_or(0);
    let samples = samples.map(|sample| &sample[..features]);
    for &(feature, row) in wanted {
        if let Some(out) = out[at(row)..].first_chunk_mut::<BLOCK>() {
            for (out, sample) in out.iter_mut().zip(&samples) {
                *out = value(sample[feature]);
            }
        }
    }
}

fn check_wanted(wanted: &[FeatureRow], features: usize, rows: usize) -> Result<()> {
    if let Some((feature, _)) = wanted.iter().find(|(feature, _)| *feature >= features) {
        let expected = format!("below {features}");
        return Err(Error::invalid("a wanted feature", feature, expected));
    }
    let ascend = wanted.windows(2).all(|pair| pair[0].1 < pair[1].1);
    let last = wanted.last().map_or(0, |(_, row)| row + 1);
    match ascend && last <= rows {
        true => Ok(()),
        false => Err(Error::invalid(
            "rows of wanted features",
            format!("up to {last}"),
            format!("ascending and below {rows}"),
        )),
    }
}
