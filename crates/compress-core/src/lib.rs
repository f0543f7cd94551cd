//! Tensor math, kernels, byte coders, and the contracts that pruning, quantization,
//! distillation and training meet on.
//!
//! Everything here obeys one rule: the same inputs and seed give the same bits on every thread
//! count, instruction set and machine. See [`isa`] for the levels and [`kernels::gemm_f32`] for
//! how a matrix product keeps that promise.

pub mod artifact;
pub mod calibrate;
pub mod ceilings;
pub mod codec;
pub mod coding;
pub mod error;
pub mod file;
pub mod isa;
pub mod kernels;
pub mod mask;
pub mod network;
pub mod ops;
pub mod rng;
pub mod runtime;
pub mod structured;
pub mod train;

pub use error::{Error, Result};
