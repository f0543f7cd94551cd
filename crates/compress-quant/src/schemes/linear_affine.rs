//! Affine (asymmetric) linear quantization: multiples of a scale, counted from a zero point.

use compress_core::Result;
use compress_core::codec::{Granularity, Grid, WeightCodec};
use compress_core::kernels::quantize::{Steps, scale_and_zero, zero_of};
use compress_core::kernels::reduce;

use super::least_squares;
use crate::codecs::LinearCodec;
use crate::scheme::{Range, Scheme, check_linear, fit_sets};

/// Affine (asymmetric) quantization: `scale · (code − zero_point)` with codes from 0 to 2^bits − 1;
/// per tensor, per channel or per group.
///
/// The range is widened to hold zero, and the zero point is one of the codes, so that zero is
/// exactly representable. With [`Range::AbsMax`] it spans the smallest to the largest weight,
/// and the error of a weight is at most half a scale, but for rounding.
///
/// # References
/// Jacob et al., *Quantization and training of neural networks for efficient
/// integer-arithmetic-only inference*, 1712.05877, section 2.1 and equation 13; ONNX,
/// `QuantizeLinear`.
///
/// ```
/// use compress_quant::Granularity;
/// use compress_quant::schemes::{LinearAffine, Range, Scheme};
/// let scheme = LinearAffine::new(8, Granularity::Tensor, Range::AbsMax)?;
/// let weights = [-0.5, 0.0, 2.05];
/// let codec = scheme.fit("w", &weights, &[3])?;
/// let tensor = codec.encode("w", &weights, &[3])?;
/// assert!(tensor.codes().is_some_and(|codes| *codes == [0, 50, 255]));
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearAffine {
    bits: u8,
    granularity: Granularity,
    range: Range,
}

impl LinearAffine {
    /// Codes of `bits` (2 to 16) bits.
    ///
    /// # Errors
    /// Where `bits`, a group's size or a fixed scale is out of range.
    pub fn new(bits: u8, granularity: Granularity, range: Range) -> Result<Self> {
        check_linear("linear_affine", bits, granularity, range)?;
        Ok(LinearAffine {
            bits,
            granularity,
            range,
        })
    }

    /// Scale and zero point of one set of weights, which must be finite.
    fn set(&self, name: &str, weights: &[f32]) -> Result<(f32, i32)> {
        let (low, high) = reduce::min_max(name, weights)?;
        let top = (1 << self.bits) - 1;
        Ok(match self.range {
            Range::AbsMax => scale_and_zero(low, high, top),
            Range::Fixed(scale) => (scale, zero_of(low.min(0.0), scale, top)),
            Range::LeastSquares => search(weights, low, high, top),
        })
    }
}

impl Scheme for LinearAffine {
    fn name(&self) -> &'static str {
        "linear_affine"
    }

    fn fit(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Box<dyn WeightCodec>> {
        let unused = match self.range {
            Range::Fixed(scale) => (scale, 0),
            _ => (1.0, 0),
        };
        let fit = |set: &[f32]| self.set(name, set);
        let sets = fit_sets(name, weights, shape, self.granularity, unused, fit)?;
        let (scales, zero_points) = sets.into_iter().unzip();
        let grid = Grid::Linear {
            bits: self.bits,
            granularity: self.granularity,
            scales,
            zero_points,
        };
        Ok(Box::new(LinearCodec::new(name, grid, shape)?))
    }
}

/// Searches for the best clipping, starting from none: first both ends by the same factor, then
/// each end by itself, then the scale alone for a fixed zero point.
fn search(weights: &[f32], low: f32, high: f32, top: i32) -> (f32, i32) {
    /// Factors tried for both ends together, and each time for one end.
    const JOINT: i32 = 48;
    const SINGLE: i32 = 8;
    let whole = scale_and_zero(low, high, top);
    let steps_of = |(scale, zero): (f32, i32)| Steps::new(scale, (0, top), zero);
    let clipped = |a: f32, b: f32| steps_of(scale_and_zero(low * a, high * b, top));

    let unclipped = steps_of(whole);
    let error = least_squares::squared_error(weights, &unclipped);
    let mut best = (unclipped, error);
    let mut factors = (1.0, 1.0);
    let mut step = 1.0 / JOINT as f32;
    let joint = (1..JOINT).map(|i| (i as f32 * step, i as f32 * step));
    take(weights, &mut best, &mut factors, joint.collect(), clipped);
    for _ in 0..4 {
        let around =
            |x: f32| (-SINGLE..=SINGLE).map(move |i| (x + i as f32 * step).clamp(0.0, 1.0));
        let (a, b) = factors;
        let low_end = around(a).map(|a| (a, b)).collect();
        take(weights, &mut best, &mut factors, low_end, clipped);
        let a = factors.0;
        let high_end = around(b).map(|b| (a, b)).collect();
        take(weights, &mut best, &mut factors, high_end, clipped);
        step *= 0.4;
    }
    least_squares::refit(weights, &mut best, whole.0);
    (best.0.scale, -best.0.low as i32)
}

/// Replaces the present pair of factors by the best one, if that is better.
fn take(
    weights: &[f32],
    best: &mut (Steps, f64),
    factors: &mut (f32, f32),
    pairs: Vec<(f32, f32)>,
    clipped: impl Fn(f32, f32) -> Steps,
) {
    let candidates: Vec<Steps> = pairs.iter().map(|&(a, b)| clipped(a, b)).collect();
    let before = best.0;
    least_squares::take_best(weights, best, &candidates);
    if best.0 != before {
        let found = candidates.iter().position(|steps| *steps == best.0);
        *factors = found.map_or(*factors, |i| pairs[i]);
    }
}
