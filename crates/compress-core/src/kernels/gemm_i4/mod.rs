//! Matrix products (GEMM) with weights of 4 to 8 bits that stay packed: `y = bias + x·Wᵀ`.
//!
//! Weights are codes in groups along k, and each group has its scale. [`PackedI4`] is symmetric,
//! affine, or has a codebook such as [`NF4`]. [`PackedBlocks`] has ggml's `Q8_0`, `Q4_0`, `Q4_K`
//! and `Q6_K`. The codes are put once into panels of 16 outputs, which take the same number of
//! bytes, and are never unpacked into memory. Vectors run over outputs and threads over panels. So
//! each output is one chain, whatever the level and the number of threads.
//!
//! # What is computed
//!
//! For each output, `sum = bias` (or 0). Then follow the groups, blocks or superblocks in ascending
//! order of k, where `fma(a, b, c)` is `a·b + c` rounded once:
//!
//! - [`Activations::F32`]: `chain = fma(value, x, chain)` over the group's k in ascending order,
//!   from 0; `sum = fma(scale, chain, sum)`; with minimums, `sum = fma(minimum, Σx, sum)`, where
//!   `Σx` runs in 16 lanes, added by halves at the end. The scale of a group in a K format is
//!   `d·s`, its minimum `−(dmin·m)`.
//! - [`Activations::I8`]: in blocks of 32 of a row of x (256 in K formats),
//!   `scale_x = absmax / 127` and `code = round_ties_even(x · (127 / absmax))`. The integer `dot`
//!   of codes is exact, and
//!   - in groups: `sum = fma(dot, (scale · step) · scale_x, sum)`; with minimums
//!     `sum = fma(minimum, Σcode · scale_x, sum)`. A codebook's values become multiples of `step`,
//!     127 of which are the largest; otherwise `step` is 1;
//!   - in K formats: `dots = fma(dot, s, dots)` over the groups, from 0; `sum = fma(d, dots ·
//!     scale_x, sum)`; with minimums `sum = fma(−dmin, (Σ m · Σcode) · scale_x, sum)`, the sum in
//!     parentheses an exact integer.
//!
//!   A block that has a NaN or an infinity makes the row's outputs NaN; one below 4e-37 counts as
//!   zero.
//!
//! 8-bit activations are the default, as in ggml. A codebook takes f32 activations, since its
//! values are not integers.
//!
//! # Speed
//!
//! One row is bound by reading the packed bytes, many rows by multiplications. The table is for
//! 4096×4096 on two cores of a Zen 5, with the time of quantizing the activations; medians of
//! `cargo xtask bench gemm_` (at AVX2 with `COMPRESS_ISA=avx2`):
//!
//! | weights | 1 row, µs | of the bandwidth | AVX2 | 64 rows, ms | of the peak | AVX2 |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | `Q8_0` | 94 | 84 % | 151 | 1.48 | 66 % | 5.2 |
//! | `Q4_0` | 46 | 92 % | 87 | 1.38 | 71 % | 3.3 |
//! | `Q4_K` | 48 | 87 % | 95 | 1.41 | 70 % | 3.3 |
//!
//! `cargo bench -p compress-benches --bench gemm_i4` also has the other kinds. One row takes one
//! panel after another, and prefetches the codes 3 KB ahead and the scales of as many k. So a
//! thread reads two streams without a pause between panels. With a scale for each block of 32,
//! there are 2 multiplications of floats to 8 of integers on the same two units. So many rows can
//! reach at most 80 % of the peak (89 % in `Q4_K`).
//!
//! Tried and rejected as slower:
//! - for many rows, tiles of one panel and 16 rows with the sums in registers, because each
//!   multiplication then has a load of its own; two panels share them;
//! - one chain of 8 multiplications rather than two of 4;
//! - for one row, prefetching into the second cache alone, or into both at two distances; two
//!   panels side by side, with prefetching or without. 2 or 4 KB ahead rather than 3 made no
//!   difference;
//! - for one row, parts of a 16th, a 32nd or a 64th of the product;
//! - tiles of 8 rows of f32 on two panels, whose sums do not fit into the registers.

mod activations;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod codes;
mod dispatch;
mod floats;
mod packed;
mod panels;
mod product;
mod reference;
mod simd;
mod supers;
#[cfg(test)]
mod tests;
mod tiles;

use ndarray::{ArrayView2, ArrayViewMut2};

pub use self::activations::{Activations, Scratch};
pub use self::packed::{NF4, PackedBlocks, PackedI4};
pub use self::panels::Panels;

use self::dispatch::Level;
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::{Error, Result};

/// `y = bias + x·Wᵀ` with x `[m, k]`, W `[n, k]`, y `[m, n]`, and the activations of
/// [`Activations::default_of`].
///
/// Allocates its buffers; [`gemm_into`] does not. The rows of x, and y, must be contiguous. The
/// product runs on the calling thread; a large one also runs on those of the current rayon pool.
///
/// # Errors
/// Where shapes disagree, x or y is not contiguous, or `COMPRESS_ISA` asks for what the machine
/// lacks.
pub fn gemm(
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm_at(Isa::active()?, x, weights, bias, y)
}

/// As [`gemm`], at a given level.
///
/// # Errors
/// As [`gemm`], and where the machine lacks the level.
pub fn gemm_at(
    isa: Isa,
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    let activations = Activations::default_of(weights);
    gemm_into_at(isa, x, weights, bias, activations, &mut Scratch::new(), y)
}

/// As [`gemm`], with given activations. Allocates nothing where `scratch` has served as many rows
/// before or was made by [`Scratch::for_rows`].
///
/// # Errors
/// As [`gemm`].
pub fn gemm_into(
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    activations: Activations,
    scratch: &mut Scratch,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm_into_at(Isa::active()?, x, weights, bias, activations, scratch, y)
}

/// As [`gemm_into`], at a given level.
///
/// # Errors
/// As [`gemm`], and where the machine lacks the level.
pub fn gemm_into_at(
    isa: Isa,
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    activations: Activations,
    scratch: &mut Scratch,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    let threads = Threads::Pool;
    gemm_on(isa, threads, x, weights, bias, activations, scratch, y)
}

/// As [`gemm_into_at`], where `threads` says.
pub fn gemm_on(
    isa: Isa,
    threads: Threads,
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    activations: Activations,
    scratch: &mut Scratch,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    check(&x, weights, bias, &y)?;
    match (Level::of(isa)?, activations) {
        (None, Activations::F32) => reference::floats(x, weights, bias, y),
        (None, Activations::I8) => reference::integers(x, weights, bias, y),
        (Some(level), _) => {
            // SAFETY: `check` has seen to the shapes, and that rows are contiguous.
            unsafe { product::run(level, threads, x, weights, bias, activations, scratch, y) };
        }
    }
    Ok(())
}

fn check(
    x: &ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    y: &ArrayViewMut2<'_, f32>,
) -> Result<()> {
    let (n, k) = weights.dim();
    Error::check_shape("x of a product", &[x.nrows(), k], x.shape())?;
    Error::check_shape("y of a product", &[x.nrows(), n], y.shape())?;
    if let Some(bias) = bias {
        Error::check_shape("bias of a product", &[n], &[bias.len()])?;
    }
    if !(x.is_empty() || x.ncols() == 1 || x.strides()[1] == 1) {
        let expected = "rows of contiguous values, as `as_standard_layout` gives";
        return Err(Error::invalid("x of a product", "strided", expected));
    }
    if !y.is_standard_layout() {
        let expected = "contiguous and row-major";
        return Err(Error::invalid("y of a product", "strided", expected));
    }
    Ok(())
}
