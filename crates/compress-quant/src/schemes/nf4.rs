//! 4-bit NormalFloat: the quantiles of a normal distribution, scaled to the largest magnitude of each
//! group.

use compress_core::Result;
use compress_core::codec::{Granularity, WeightCodec};
use compress_core::kernels::gemm_i4::NF4;
use compress_core::kernels::reduce;

use crate::codecs::ScaledCodebookCodec;
use crate::scheme::{Scheme, fit_sets};

/// 4-bit NormalFloat: 16 values from −1 to 1, the quantiles of a normal distribution with zero among
/// them, times the largest magnitude of each group of weights (64 in the paper) within a row.
///
/// Values of a group are divided by its scale and go to the nearest of the 16. Zeros stay zeros.
///
/// # References
/// Dettmers, Pagnoni, Holtzman, Zettlemoyer, *QLoRA: efficient finetuning of quantized LLMs*,
/// 2305.14314, section 3 and appendix E (the values).
///
/// ```
/// use compress_quant::schemes::{Nf4, Scheme};
/// let scheme = Nf4::default();
/// let codec = scheme.fit("w", &[0.0, -2.0, 0.9, 0.1], &[1, 4])?;
/// let mut weights = [0.0, -2.0, 0.9, 0.1];
/// codec.fake_quantize(&mut weights, &[1, 4])?;
/// assert_eq!(weights, [0.0, -2.0, 2.0 * 0.440_709_83, 2.0 * 0.079_580_3]);
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nf4 {
    granularity: Granularity,
}

impl Default for Nf4 {
    /// Groups of 64.
    fn default() -> Self {
        let granularity = Granularity::Group(64);
        Nf4 { granularity }
    }
}

impl Nf4 {
    /// With a scale for each of these sets of weights.
    ///
    /// # Errors
    /// Where a group's size is 0.
    pub fn new(granularity: Granularity) -> Result<Self> {
        granularity.validate("nf4")?;
        Ok(Nf4 { granularity })
    }
}

impl Scheme for Nf4 {
    fn name(&self) -> &'static str {
        "nf4"
    }

    fn fit(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Box<dyn WeightCodec>> {
        let scale = |set: &[f32]| {
            let largest = reduce::absmax(name, set)?;
            // Subnormal scales are slow and imprecise.
            let scale = largest.max(f32::MIN_POSITIVE);
            Ok(if largest > 0.0 { scale } else { 1.0 })
        };
        let scales = fit_sets(name, weights, shape, self.granularity, 1.0, scale)?;
        let codec = ScaledCodebookCodec::new(name, NF4.to_vec(), self.granularity, scales, shape)?;
        Ok(Box::new(codec))
    }
}
