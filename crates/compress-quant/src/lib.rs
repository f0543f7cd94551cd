//! Quantization: numbers with fewer bits.
//!
//! This crate quantizes weights linearly (symmetric or affine; per tensor, per channel or per
//! group) and non-linearly (k-means codebooks, powers of two). It does post-training quantization
//! (PTQ) and quantization-aware training (QAT), and it reports how far the quantized weights are
//! from the originals.
//!
//! ```
//! use compress_quant::schemes::{LinearSymmetric, Range};
//! use compress_quant::{Granularity, dequantize_array, quantize_array};
//! use ndarray::array;
//!
//! let weights = array![[0.70, -0.31, 0.0], [0.02, 0.06, -0.14]];
//! let scheme = LinearSymmetric::new(4, Granularity::Channel, Range::AbsMax)?;
//!
//! let quantized = quantize_array("layers.0.weight", weights.view(), &scheme)?;
//! assert!(quantized.codes().is_some_and(|codes| *codes == [7, -3, 0, 1, 3, -7]));
//!
//! let back = dequantize_array(&quantized)?;
//! let worst = (&back - &weights).iter().fold(0.0f32, |m, e| m.max(e.abs()));
//! assert!(worst <= 0.05); // half of the larger row's scale, 0.1
//! assert_eq!(back[[0, 2]], 0.0); // zeros stay zeros
//! # Ok::<(), compress_core::Error>(())
//! ```
//!
//! - [`weights`]: the two plainest functions, which multiply by one scale and truncate.
//! - [`schemes`]: fit a grid to weights. [`codecs`]: turn weights into codes on a grid.
//! - [`optimal_kmeans`]: the globally optimal codebook, and a faster nearly optimal one.
//! - [`folding`]: makes networks of whole numbers, without scales.
//! - [`qat`]: quantization-aware training as a training hook: fake quantization on grids that are
//!   fitted, or with learned steps (LSQ).
//! - [`refine`](mod@refine): improves codes one by one, by the exact loss and the coder's prices.
//! - [`ptq`]: post-training quantization of a whole model, and the report of errors (SQNR, cosine
//!   similarity).
//! - [`observers`]: calibration of the ranges of activations (min-max, percentile, mean squared
//!   error).
//!
//! The arithmetic is ONNX's: round half to even, saturate, zero exactly representable.

#![forbid(unsafe_code)]

pub mod codecs;
pub mod folding;
pub mod observers;
pub mod optimal_kmeans;
pub mod ptq;
pub mod qat;
pub mod refine;
pub mod schemes;
pub mod weights;

mod arrays;
mod error;
mod rounding;
mod scheme;

pub use arrays::{dequantize_array, quantize_array};
pub use compress_core::{
    chain::Architecture,
    codec::{BlockTensor, Granularity, Grid, QuantizedTensor, Tensor, WeightCodec},
    hook::TrainHook,
    kernels::block_format::BlockFormat,
    observe::{Observe, Place, Tap},
    parameters::{Lent, Parameters},
    price::Prices,
    tensor::{Role, TensorMut, TensorRef},
    train::Samples,
};
pub use error::Error;
pub use weights::{dequantize_weights, quantize_weights};
