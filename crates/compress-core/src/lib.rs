//! The base of the toolkit: tensor math, kernels, and the contracts that pruning, quantization,
//! distillation, training and the compressed file share.
//!
//! Everything here obeys one rule: the same inputs and seed give the same bits on every thread
//! count, instruction set and machine. See [`isa`] for the levels, and [`kernels::gemm_f32`] for
//! how a matrix product keeps that promise.
//!
//! - Contracts of models, by what a model offers: [`parameters`] (named tensors), [`gradients`]
//!   (training), [`differentiate`] (gradients on demand), [`network`] (predictions, edits), [`graph`] (what depends on what), [`observe`]
//!   (being watched). [`chain`] has chains of dense layers.
//! - Contracts of algorithms: [`mask`] (pruning), [`codec`] (quantization), [`train`] (losses,
//!   training), [`hook`] (what takes part in training), [`evidence`] (what an algorithm knows),
//!   [`price`] (what a coder charges), [`registry`] (algorithms by name).
//! - [`allocate`]: one choice for each tensor at the least cost within a budget.
//! - [`samples`] (data), [`calibrate`] (statistics of activations).
//! - [`kernels`]: matrix products (GEMM) in f32, int8 and 4 bits, sparse products (CSR and other
//!   layouts), quantization, selection.
//! - [`linalg`]: the Cholesky factorization in f64, and what is solved with it.

pub mod allocate;
pub mod calibrate;
pub mod ceilings;
pub mod chain;
pub mod codec;
pub mod differentiate;
pub mod error;
pub mod evidence;
pub mod file;
pub mod gradients;
pub mod graph;
pub mod hook;
pub mod isa;
pub mod kernels;
pub mod linalg;
pub mod mask;
pub mod network;
pub mod observe;
pub mod ops;
mod parameter;
pub mod parameters;
pub mod price;
pub mod registry;
pub mod rng;
pub mod samples;
mod shape;
pub mod structured;
pub mod tensor;
pub mod train;

pub use error::{Error, Result};
