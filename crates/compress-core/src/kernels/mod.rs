//! Kernels, each in a folder: the contract in `mod.rs`, the specification in `reference.rs`, a file
//! for each instruction set level with code of its own, and `dispatch.rs`, which alone chooses among
//! them. Where one body is compiled for each level, `by_level!` chooses.
//!
//! Files build on each other in one direction: a parent on its children, never the reverse.
//!
//! Each function comes in two forms. The one that ends in `_at` is given the level. The other one
//! runs at [`Isa::active`](crate::isa::Isa::active), and also fails where that does: where
//! `COMPRESS_ISA` asks for what the machine lacks.
//!
//! | kernel | what |
//! | --- | --- |
//! | [`gemm_f32`], [`gemm_i8`], [`gemm_i4`] | matrix products (GEMM): f32, int8, 4 to 8 bits |
//! | [`spmm`] | sparse times dense, in CSR and other layouts |
//! | [`sparse_layer`] | training a layer on its live weights |
//! | [`quantize`] | f32 to codes and back |
//! | [`byte_planes`] | the bytes of numbers apart, and together again |
//! | `subtract_f64` | products, substitutions and triangles in f64, for `linalg` |
//! | [`reduce`], [`select`] | sums and norms; the largest magnitudes, thresholds, N:M |

pub mod block_format;
pub mod byte_planes;
pub mod code_rows;
pub mod columns;
pub mod gemm_f32;
pub mod gemm_i4;
pub mod gemm_i8;
pub(crate) mod granularity;
pub(crate) mod half;
pub(crate) mod levels;
pub(crate) mod lines;
pub mod memory;
pub mod quantize;
pub mod reduce;
pub mod select;
pub mod sparse_layer;
pub mod spmm;
pub(crate) mod subtract_f64;
#[cfg(test)]
mod tests;

/// Which threads compute a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// Only the calling thread, without allocating: the call is part of work that is already
    /// shared.
    Here,
    /// The current rayon pool, where the product is large.
    Pool,
}

impl Threads {
    /// Whether a product of this many multiply-adds is shared. A calling thread of the pool offers
    /// a part to the others and takes it back if nobody comes, so sharing costs little. For a
    /// thread outside of the pool, others must first be woken.
    pub fn share(self, multiply_adds: usize) -> bool {
        let inside = rayon::current_thread_index().is_some();
        let fewest = if inside { 1 << 17 } else { 1 << 21 };
        self == Threads::Pool && multiply_adds >= fewest && rayon::current_num_threads() > 1
    }
}
