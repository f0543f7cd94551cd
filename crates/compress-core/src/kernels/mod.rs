//! Kernels, a folder each: the contract in `mod.rs`, the specification in `reference.rs`, and a
//! file for each instruction set level that has its own.
//!
//! A function comes in two forms: one ending in `_at`, which is given the level, and one that runs at
//! [`Isa::active`](crate::isa::Isa::active), and so fails where that does (`COMPRESS_ISA` asks for
//! what the machine lacks) beside what its own errors say.

pub mod block_format;
pub(crate) mod code_rows;
pub(crate) mod columns;
pub mod gemm_f32;
pub mod gemm_i4;
pub mod gemm_i8;
pub(crate) mod levels;
pub(crate) mod lines;
pub mod quantize;
pub mod reduce;
pub mod select;
pub mod sparse_layer;
pub mod spmm;

/// Who computes a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The calling thread alone, without allocating: it is part of something that is shared among
    /// threads already.
    Here,
    /// The current rayon pool, where the product is large.
    Pool,
}

impl Threads {
    /// Whether a product of this many multiply-adds of floats is shared. The calling thread, where it
    /// belongs to the pool, hands a part to others at once and takes it back if nobody comes, so
    /// that sharing costs little. Where it does not, others must first be woken.
    pub(crate) fn share(self, multiply_adds: usize) -> bool {
        let inside = rayon::current_thread_index().is_some();
        let fewest = if inside { 1 << 17 } else { 1 << 21 };
        self == Threads::Pool && multiply_adds >= fewest && rayon::current_num_threads() > 1
    }
}
