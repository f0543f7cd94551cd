//! Symmetric linear quantization: multiples of a scale, zero at code 0, as many codes below as
//! above.

use compress_core::Result;
use compress_core::codec::{Granularity, Grid, WeightCodec};
use compress_core::kernels::quantize::{Steps, scale_of};
use compress_core::kernels::reduce;

use super::least_squares;
use crate::codecs::LinearCodec;
use crate::scheme::{Range, Scheme, check_linear, fit_sets};

/// Symmetric quantization: `scale · code` with codes from −(2^(bits−1) − 1) to 2^(bits−1) − 1; per
/// tensor, per channel or per group.
///
/// With [`Range::AbsMax`] the scale is the largest magnitude divided by the largest code, so the
/// error of a weight is at most half a scale.
///
/// # References
/// Krishnamoorthi, *Quantizing deep convolutional networks for efficient inference*, 1806.08342,
/// section 2.2. Clipping by least squares: Shin, Hwang, Sung, 1512.01322, section 3; Banner et
/// al., 1810.05723, section 2.
///
/// ```
/// use compress_quant::Granularity;
/// use compress_quant::schemes::{LinearSymmetric, Range, Scheme};
/// let scheme = LinearSymmetric::new(4, Granularity::Channel, Range::AbsMax)?;
/// let weights = [0.7, -0.3, 0.0, 1.4];
/// let codec = scheme.fit("w", &weights, &[2, 2])?;
/// let tensor = codec.encode("w", &weights, &[2, 2])?;
/// assert!(tensor.codes().is_some_and(|codes| *codes == [7, -3, 0, 7]));
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearSymmetric {
    bits: u8,
    granularity: Granularity,
    range: Range,
}

impl LinearSymmetric {
    /// Codes of `bits` (2 to 16) bits.
    ///
    /// # Errors
    /// Where `bits`, a group's size or a fixed scale is out of range.
    pub fn new(bits: u8, granularity: Granularity, range: Range) -> Result<Self> {
        check_linear("linear_symmetric", bits, granularity, range)?;
        Ok(LinearSymmetric {
            bits,
            granularity,
            range,
        })
    }

    /// The scale of one set of weights, which must be finite.
    fn scale(&self, name: &str, weights: &[f32]) -> Result<f32> {
        let top = (1 << (self.bits - 1)) - 1;
        let bound = reduce::absmax(name, weights)?;
        let whole = Steps::new(scale_of(bound.into(), top), (-top, top), 0);
        Ok(match self.range {
            Range::Fixed(scale) => scale,
            Range::LeastSquares if bound > 0.0 => least_squares::search(weights, whole).scale,
            _ => whole.scale,
        })
    }
}

impl Scheme for LinearSymmetric {
    fn name(&self) -> &'static str {
        "linear_symmetric"
    }

    fn fit(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Box<dyn WeightCodec>> {
        let unused = match self.range {
            Range::Fixed(scale) => scale,
            _ => 1.0,
        };
        let fit = |set: &[f32]| self.scale(name, set);
        let scales = fit_sets(name, weights, shape, self.granularity, unused, fit)?;
        let grid = Grid::Linear {
            bits: self.bits,
            granularity: self.granularity,
            scales,
            zero_points: Vec::new(),
        };
        Ok(Box::new(LinearCodec::new(name, grid, shape)?))
    }
}
