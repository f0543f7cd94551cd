//! The contract of a scheme, and what schemes share.

use compress_core::codec::{Granularity, WeightCodec};
use compress_core::{Error, Result};
use rayon::prelude::*;

use crate::rounding::check_volume;

/// A way to represent weights with fewer bits.
pub trait Scheme: Send + Sync {
    /// Its name in the registry, in reports and on the command line.
    fn name(&self) -> &'static str;

    /// Fits a codec to the `weights` of the tensor `name`, row-major and of `shape`
    /// (`[out, in]`, or `[out]` for a bias).
    ///
    /// A tensor without values gets a valid codec too.
    ///
    /// # Errors
    /// Where the weights do not fill the shape, or one is NaN or infinite: the error names the
    /// tensor and the position.
    fn fit(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Box<dyn WeightCodec>>;
}

/// How the range of a linear grid is chosen from the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// The whole range (min-max): no weight is clipped.
    AbsMax,
    /// The clipping with the least sum of squared errors, as far as a search finds it. Never worse
    /// than [`Range::AbsMax`].
    LeastSquares,
    /// This scale for every set of values; positive and finite.
    Fixed(f32),
}

/// Checks what both linear schemes are given.
pub(crate) fn check_linear(
    scheme: &str,
    bits: u8,
    granularity: Granularity,
    range: Range,
) -> Result<()> {
    let what = |field: &str| format!("{field} of {scheme}");
    if !(2..=16).contains(&bits) {
        return Err(Error::invalid(what("bits"), bits, "2 to 16"));
    }
    granularity.validate(scheme)?;
    match range {
        Range::Fixed(scale) if !(scale.is_finite() && scale > 0.0) => Err(Error::invalid(
            what("fixed scale"),
            scale,
            "positive and finite",
        )),
        _ => Ok(()),
    }
}

/// Applies `fit` to the weights of each set that shares a scale, in order. A tensor without values
/// gets `unused` for each set. If `fit` fails and a weight is not finite, the error names that
/// weight.
pub(crate) fn fit_sets<T: Clone + Send>(
    name: &str,
    weights: &[f32],
    shape: &[usize],
    granularity: Granularity,
    unused: T,
    fit: impl Fn(&[f32]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    check_volume(name, shape, weights.len())?;
    let ranges: Vec<_> = granularity.ranges(shape).collect();
    let fitted = ranges.into_par_iter().map(|range| fit(&weights[range]));
    let fitted: Result<Vec<T>> = fitted.collect();
    let in_place = |e| Error::check_finite(name, weights).err().unwrap_or(e);
    let mut sets = fitted.map_err(in_place)?;
    sets.resize(granularity.sets(shape), unused);
    Ok(sets)
}
