//! The f32 matrix product (GEMM, general matrix multiply), `C = init + A·B`.
//!
//! Each element of C is one chain of fused multiply-adds over k in ascending order, starting from
//! `init`. Vectors and threads run over different elements of C, never inside one. A block of k
//! continues from what the block before has stored. So every level and thread count gives the same
//! bits. (A NaN stays a NaN, but its payload is up to the processor.)
//!
//! # Speed
//!
//! The floor is `m·k·n` multiply-adds: at AVX-512 with two units 32 a cycle and core.
//! `docs/performance.md` says how much of that is reached and how it compares with others.
//! What lies between a product with B packed before and the peak is the start and the end of the
//! tiles; what lies between packed and not is the transposition of B (`cargo bench -p
//! compress-benches --bench gemm_f32` measures both). A single row (`m = 1`) is bound by that
//! transposition alone: pack the weights for inference.
//!
//! Tried and rejected:
//! - packing A, which the tiles do not pay back. Reading A at the caller's strides costs nothing,
//!   but the addresses must not form one chain of additions (see `Tile::a_quads`), which makes
//!   narrow tiles much slower;
//! - a copy of the rows of A where they lie a multiple of 4 KB apart, and so compete for the same
//!   lines of the first cache: no gain at 1024³;
//! - blocks of k of 256 and 384 rather than 1024: slower at 128×784×300;
//! - prefetching C before a tile, and B before its transposition: no difference.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocked;
mod dispatch;
mod init;
mod pack;
mod reference;
#[cfg(test)]
mod tests;
mod tile;

use ndarray::{ArrayView2, ArrayViewMut2};

pub use self::init::Init;
pub use self::pack::PackedB;

use self::blocked::{Product, Source};
use self::dispatch::Level;
use self::pack::Operand;
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::{Error, Result};

/// The matrix product (GEMM) `C = init + A·B` with A `[m, k]`, B `[k, n]`, C `[m, n]`.
///
/// A and B may be transposed views (`x.t()`): the three products of a dense layer are `x · w.t()`,
/// `dy · w` and `dy.t() · x`. C must be contiguous and row-major. The product runs on the calling
/// thread; a large one also runs on those of the current rayon pool.
///
/// # Errors
/// Where shapes disagree, C is not contiguous, or `COMPRESS_ISA` asks for what the machine lacks.
pub fn gemm(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    init: Init<'_>,
    c: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm_at(Isa::active()?, a, b, init, c)
}

/// As [`gemm`], at a given level.
///
/// # Errors
/// As [`gemm`], and where the machine lacks the level.
pub fn gemm_at(
    isa: Isa,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    init: Init<'_>,
    c: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    check(&a, b.dim(), &init, &c)?;
    match Level::of(isa)? {
        None => reference::gemm(a, b, init, c),
        Some(level) => Product {
            level,
            a,
            b: Source::Plain(Operand::new(b)),
            init,
        }
        .run(Threads::Pool, c),
    }
    Ok(())
}

/// As [`gemm`], with a B that was packed before. The same bits.
///
/// # Errors
/// As [`gemm`].
pub fn gemm_packed(
    a: ArrayView2<'_, f32>,
    b: &PackedB,
    init: Init<'_>,
    c: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm_packed_at(Isa::active()?, a, b, init, c)
}

/// As [`gemm_packed`], at a given level.
///
/// # Errors
/// As [`gemm`], and where the machine lacks the level.
pub fn gemm_packed_at(
    isa: Isa,
    a: ArrayView2<'_, f32>,
    b: &PackedB,
    init: Init<'_>,
    c: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm_packed_on(isa, Threads::Pool, a, b, init, c)
}

/// As [`gemm_packed_at`], where `threads` says.
pub fn gemm_packed_on(
    isa: Isa,
    threads: Threads,
    a: ArrayView2<'_, f32>,
    b: &PackedB,
    init: Init<'_>,
    c: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    check(&a, b.dim(), &init, &c)?;
    match Level::of(isa)? {
        None => reference::gemm_packed(a, b, init, c),
        Some(level) => Product {
            level,
            a,
            b: Source::Packed(b),
            init,
        }
        .run(threads, c),
    }
    Ok(())
}

/// `to[c·to_stride + r] = from[(r, c)]`, at a given level; nothing else is written. The rows of
/// `from` are contiguous.
///
/// # Errors
/// Where the machine lacks the level, the rows are strided, or `to` is too short.
pub(super) fn transpose(
    isa: Isa,
    from: ArrayView2<'_, f32>,
    to: &mut [f32],
    to_stride: usize,
) -> Result<()> {
    let (rows, cols) = from.dim();
    if rows == 0 || cols == 0 {
        return Ok(());
    }
    let needed = (cols - 1).saturating_mul(to_stride).saturating_add(rows);
    if to.len() < needed || (cols > 1 && from.strides()[1] != 1) {
        return Err(Error::Shape {
            what: "transpose".into(),
            expected: vec![needed],
            found: vec![to.len()],
        });
    }
    dispatch::transpose(Level::of(isa)?, from, to, to_stride);
    Ok(())
}

fn check(
    a: &ArrayView2<'_, f32>,
    (k, n): (usize, usize),
    init: &Init<'_>,
    c: &ArrayViewMut2<'_, f32>,
) -> Result<()> {
    Error::check_shape("B of a matrix product", &[a.ncols(), n], &[k, n])?;
    Error::check_shape("C of a matrix product", &[a.nrows(), n], c.shape())?;
    if let Init::Bias(bias) = init {
        Error::check_shape("bias of a matrix product", &[n], &[bias.len()])?;
    }
    if !c.is_standard_layout() {
        return Err(Error::invalid(
            "C of a matrix product",
            "strided",
            "contiguous and row-major",
        ));
    }
    Ok(())
}
