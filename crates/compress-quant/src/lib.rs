//! Numbers with fewer bits: linear and non-linear quantization of weights, quantization-aware
//! training, quantization after training, and what it costs in accuracy of the weights.
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
//! assert_eq!(quantized.codes, [7, -3, 0, 1, 3, -7]);
//!
//! let back = dequantize_array(&quantized)?;
//! let worst = (&back - &weights).iter().fold(0.0f32, |m, e| m.max(e.abs()));
//! assert!(worst <= 0.05); // half of the larger row's scale, 0.1
//! assert_eq!(back[(0, 2)], 0.0); // zeros stay zeros
//! # Ok::<(), compress_core::Error>(())
//! ```
//!
//! - [`weights`]: the two plainest functions, one scale and truncation.
//! - [`schemes`]: how a grid is fitted to weights; [`codecs`]: what turns weights into codes.
//! - [`optimal_kmeans`]: the globally optimal codebook, and a nearly optimal one sooner.
//! - [`folding`]: networks of whole numbers, without scales.
//! - [`qat`]: fake quantization as a training hook, on frozen grids or with learned steps.
//! - [`refine`](mod@refine): codes chosen one by one, by the exact loss and the coder's prices.
//! - [`ptq`]: a network to an artifact, and the report of errors.
//! - [`observers`]: the ranges of activations.
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

pub use arrays::{dequantize_array, quantize_array};
pub use compress_core::codec::{Granularity, Grid, QuantizedTensor, WeightCodec};
pub use error::Error;
pub use weights::{dequantize_weights, quantize_weights};
