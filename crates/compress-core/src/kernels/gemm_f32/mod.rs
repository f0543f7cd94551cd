//! The f32 matrix product, `C = init + A·B`.
//!
//! Each element of C is one chain of fused multiply-adds over k in ascending order, starting
//! from `init`. Vectors and threads run over different elements of C, never inside one, so every
//! level and thread count gives the same bits.

mod reference;

use ndarray::{ArrayView2, ArrayViewMut2};

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
/// `x · w.t()`, `dy · w` and `dy.t() · x`. C must be contiguous and row-major.
///
/// # Errors
/// Where shapes disagree or C is not contiguous.
pub fn gemm(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    init: Init<'_>,
    c: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm_at(Isa::active()?, a, b, init, c)
}

/// As [`gemm`], at a given level, which the machine must have.
pub fn gemm_at(
    isa: Isa,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    init: Init<'_>,
    mut c: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    let _ = isa;
    check(&a, &b, &init, &c)?;
    reference::gemm(a, b, init, &mut c);
    Ok(())
}

fn check(
    a: &ArrayView2<'_, f32>,
    b: &ArrayView2<'_, f32>,
    init: &Init<'_>,
    c: &ArrayViewMut2<'_, f32>,
) -> Result<()> {
    Error::check_shape("B of a matrix product", &[a.ncols(), b.ncols()], b.shape())?;
    Error::check_shape("C of a matrix product", &[a.nrows(), b.ncols()], c.shape())?;
    if let Init::Bias(bias) = init {
        Error::check_shape("bias of a matrix product", &[b.ncols()], &[bias.len()])?;
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
