//! The f32 matrix product, `C = init + A·B`.
//!
//! Each element of C is one chain of fused multiply-adds over k in ascending order, starting
//! from `init`. Vectors and threads run over different elements of C, never inside one, so every
//! level and thread count gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocked;
mod pack;
mod reference;
#[cfg(test)]
mod tests;
mod tile;

use ndarray::{ArrayView2, ArrayViewMut2};

pub use self::pack::PackedB;

use self::blocked::{Product, Source};
use self::pack::Operand;
use self::tile::Level;
use crate::isa::Isa;
use crate::{Error, Result};

/// What each chain starts from.
#[derive(Clone, Copy, Debug)]
pub enum Init<'a> {
    /// Zero: `C = A·B`.
    Zero,
    /// What C holds: `C += A·B`.
    Accumulate,
    /// A value for each column of C: `C = bias + A·B`.
    Bias(&'a [f32]),
}

/// `C = init + A·B` with A `[m, k]`, B `[k, n]`, C `[m, n]`.
///
/// A and B may be transposed views (`x.t()`): the three products of a dense layer are
/// `x · w.t()`, `dy · w` and `dy.t() · x`. C must be contiguous and row-major. Runs on the
/// calling thread and, where the product is large, on those of the current rayon pool.
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
        .run(c),
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
    check(&a, b.dim(), &init, &c)?;
    match Level::of(isa)? {
        None => reference::gemm_packed(a, b, init, c),
        Some(level) => Product {
            level,
            a,
            b: Source::Packed(b),
            init,
        }
        .run(c),
    }
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
