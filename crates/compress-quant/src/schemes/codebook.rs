//! Codebook (non-linear) quantization: the few values that represent a tensor's weights best.

use compress_core::codec::WeightCodec;
use compress_core::{Error, Result};

use crate::codecs::CodebookCodec;
use crate::optimal_kmeans::{optimal_kmeans, optimal_kmeans_with_zero};
use crate::rounding::check_volume;
use crate::scheme::Scheme;

/// Whether zero has a level of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroLevel {
    /// No: the levels are optimal, and a pruned weight may become some small number.
    Free,
    /// One level is exactly 0 where the tensor holds a zero, and the others are optimal beside
    /// it: pruned weights stay pruned. Without a zero in the tensor the same as
    /// [`ZeroLevel::Free`].
    Pinned,
}

/// Codebook quantization by k-means (weight sharing): one list of levels for each tensor, which
/// minimizes the sum of squared errors. In one dimension k-means is solved exactly, not by Lloyd's
/// iteration.
///
/// A tensor with fewer distinct weights than levels gets one level for each distinct weight, and is
/// represented without error.
///
/// # References
/// Han, Mao, Dally, *Deep compression*, 1510.00149, section 3 (shared weights); the exact
/// solution is [`optimal_kmeans`].
///
/// ```
/// use compress_quant::schemes::{Codebook, Scheme, ZeroLevel};
/// let scheme = Codebook::new(3, ZeroLevel::Pinned)?;
/// let codec = scheme.fit("w", &[0.0, 0.1, 1.0, 1.2, -2.0], &[5])?;
/// let mut weights = [0.0, 1.0, -2.5];
/// codec.fake_quantize(&mut weights, &[3])?;
/// assert_eq!(weights, [0.0, 1.1, -2.0]);
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codebook {
    levels: usize,
    zero: ZeroLevel,
}

impl Codebook {
    /// At most `levels` (2 to 256) levels.
    ///
    /// # Errors
    /// Where `levels` is out of range.
    pub fn new(levels: usize, zero: ZeroLevel) -> Result<Self> {
        if !(2..=256).contains(&levels) {
            return Err(Error::invalid("levels of codebook", levels, "2 to 256"));
        }
        Ok(Codebook { levels, zero })
    }
}

impl Scheme for Codebook {
    fn name(&self) -> &'static str {
        "codebook"
    }

    fn fit(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Box<dyn WeightCodec>> {
        check_volume(name, shape, weights.len())?;
        if weights.is_empty() {
            return Ok(Box::new(CodebookCodec::new(name, vec![0.0])?));
        }
        let values = match self.zero {
            ZeroLevel::Pinned if weights.contains(&0.0) => {
                optimal_kmeans_with_zero(name, weights, self.levels)?
            }
            _ => optimal_kmeans(name, weights, self.levels)?,
        };
        Ok(Box::new(CodebookCodec::new(name, values)?))
    }
}
