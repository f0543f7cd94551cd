//! Kernels, a folder each: the contract in `mod.rs`, the specification in `reference.rs`, and a
//! file for each instruction set level that has its own.

pub mod block_format;
pub mod gemm_f32;
pub(crate) mod levels;
pub mod reduce;
pub mod select;
pub mod spmm;
