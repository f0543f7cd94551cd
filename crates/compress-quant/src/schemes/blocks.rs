//! The block formats of ggml, which GGUF files hold.

use compress_core::Result;
use compress_core::codec::WeightCodec;
use compress_core::kernels::block_format::BlockFormat;

use crate::codecs::BlockCodec;
use crate::rounding::check_volume;
use crate::scheme::Scheme;

/// Weights in blocks of 32 or 256 within a row, each with scales of its own, byte for byte as ggml
/// lays them out: one of [`BlockFormat::ENCODED`]. Others are refused when a scheme is fitted.
///
/// A row is everything but the first axis. Blocks must divide it.
///
/// # References
/// ggml, `ggml-common.h` (the layouts) and `ggml-quants.c` (the functions `quantize_row_…_ref` of
/// each format). `mxfp4`: OCP Microscaling Formats (MX) v1.0.
///
/// ```
/// use compress_quant::schemes::{Scheme, Settings, by_name};
/// let weights: Vec<f32> = (0..64).map(|i| i as f32 * 0.1 - 3.0).collect();
/// let scheme = by_name("q8_0", &Settings::default())?;
/// let codec = scheme.fit("w", &weights, &[2, 32])?;
/// assert_eq!(codec.size_bits(64), 64 * 17 / 2);
/// let refused = scheme.fit("w", &weights, &[4, 16]).err().unwrap().to_string();
/// assert!(refused.contains("the length of a row of w is 16"));
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    format: BlockFormat,
}

impl Blocks {
    /// Blocks of this format.
    pub fn new(format: BlockFormat) -> Self {
        Blocks { format }
    }
}

impl Scheme for Blocks {
    fn name(&self) -> &'static str {
        self.format.name()
    }

    fn fit(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Box<dyn WeightCodec>> {
        let codec = BlockCodec::new(name, self.format, shape)?;
        check_volume(name, shape, weights.len())?;
        compress_core::Error::check_finite(name, weights)?;
        Ok(Box::new(codec))
    }
}
