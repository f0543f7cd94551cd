//! The base of the toolkit: tensor math, kernels, byte coders, the `.cmp` file and its runtime, and
//! the contracts that pruning, quantization, distillation and training share.
//!
//! Everything here obeys one rule: the same inputs and seed give the same bits on every thread
//! count, instruction set and machine. See [`isa`] for the levels, and [`kernels::gemm_f32`] for
//! how a matrix product keeps that promise.
//!
//! - Contracts: [`network`] (models), [`train`] (samples, losses, hooks, training), [`mask`]
//!   (pruning), [`codec`] (quantization), [`calibrate`] (statistics of activations).
//! - [`kernels`]: matrix products (GEMM) in f32, int8 and 4 bits, sparse products (CSR and other
//!   layouts), quantization, selection.
//! - [`linalg`]: the Cholesky factorization in f64, and what is solved with it.
//! - [`coding`]: entropy coding with a range coder (arithmetic coding). [`artifact`]: the file.
//!   [`runtime`]: predictions from it.

pub mod artifact;
pub mod calibrate;
pub mod ceilings;
pub mod codec;
pub mod coding;
pub mod error;
pub mod file;
pub mod isa;
pub mod kernels;
pub mod linalg;
pub mod mask;
pub mod network;
pub mod ops;
pub mod rng;
pub mod runtime;
pub mod structured;
pub mod train;

pub use error::{Error, Result};
