//! Sparse times dense.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod buffer;
mod column;
mod decode;
mod lanes;
mod panels;
mod product;
mod reference;
mod storage;
#[cfg(test)]
mod tests;
mod tile;

use ndarray::{ArrayView2, ArrayViewMut2};

pub use self::storage::Sparse;

use self::lanes::Level;
use self::product::Product;
use crate::isa::Isa;
use crate::{Error, Result};

/// How a sparse matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Each value with its column, of 16 bits up to 65,536 columns and of 32 beyond: scattered
    /// zeros. The fastest of those that hold any matrix.
    Csr,
    /// A bit for each element, beside the values: scattered zeros in less memory than
    /// [`Layout::Csr`] where more than 1 in 16 is kept. Positions are decoded in each product.
    Bitmask,
    /// Dense blocks of 16 rows and 1 column: where a column is kept in a row, it is stored for
    /// all of the 16, with zeros where they keep none.
    Blocks,
    /// Two values in each 4 consecutive columns, each with 2 bits for its place. Where fewer are
    /// kept, zeros fill up the lowest of the places that are left.
    TwoOfFour,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Layout; 4] = [
        Layout::Csr,
        Layout::Bitmask,
        Layout::Blocks,
        Layout::TwoOfFour,
    ];
}

/// The values of a sparse matrix, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Floats.
    F32(&'a [f32]),
    /// Integers; those of a row times its scale.
    I8 {
        /// The integers.
        codes: &'a [i8],
        /// A scale for each row.
        scales: &'a [f32],
    },
}

/// What a product does beside multiplying.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// A bias for each row of W, zero where there is none.
    pub bias: Option<&'a [f32]>,
    /// Whether what is not above zero becomes +0; NaN stays.
    pub relu: bool,
}

/// `Y = W·X` with W `[n, k]`, X `[k, batch]` and Y `[n, batch]`, all row-major and contiguous:
/// a feature a row.
///
/// # Errors
/// Where shapes disagree, X or Y is not contiguous, or `COMPRESS_ISA` asks for what the machine
/// lacks.
pub fn spmm(
    w: &Sparse,
    x: ArrayView2<'_, f32>,
    epilogue: Epilogue<'_>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    spmm_at(Isa::active()?, w, x, epilogue, y)
}

/// As [`spmm`], at a given level.
///
/// # Errors
/// As [`spmm`], and where the machine lacks the level.
pub fn spmm_at(
    isa: Isa,
    w: &Sparse,
    x: ArrayView2<'_, f32>,
    epilogue: Epilogue<'_>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    let (n, k) = w.dim();
    let batch = x.ncols();
    Error::check_shape("X of a sparse product", &[k, batch], x.shape())?;
    Error::check_shape("Y of a sparse product", &[n, batch], y.shape())?;
    check(w, &x, &epilogue, &y)?;
    match Level::of(isa)? {
        None => reference::multiply(w, x, epilogue, y),
        Some(level) => Product { level, w, epilogue }.features(x, y),
    }
    Ok(())
}

/// `Y = X·Wᵀ` with X `[batch, k]`, W `[n, k]` and Y `[batch, n]`, all row-major and contiguous: a
/// sample a row, as activations lie in a network. The same bits as [`spmm`].
///
/// # Errors
/// As [`spmm`].
pub fn spmm_rows(
    w: &Sparse,
    x: ArrayView2<'_, f32>,
    epilogue: Epilogue<'_>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    spmm_rows_at(Isa::active()?, w, x, epilogue, y)
}

/// As [`spmm_rows`], at a given level.
///
/// # Errors
/// As [`spmm`], and where the machine lacks the level.
pub fn spmm_rows_at(
    isa: Isa,
    w: &Sparse,
    x: ArrayView2<'_, f32>,
    epilogue: Epilogue<'_>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    let (n, k) = w.dim();
    let batch = x.nrows();
    Error::check_shape("X of a sparse product", &[batch, k], x.shape())?;
    Error::check_shape("Y of a sparse product", &[batch, n], y.shape())?;
    check(w, &x, &epilogue, &y)?;
    match Level::of(isa)? {
        None => reference::multiply(w, x.reversed_axes(), epilogue, y.reversed_axes()),
        Some(level) => return Product { level, w, epilogue }.samples(x, y),
    }
    Ok(())
}

fn check(
    w: &Sparse,
    x: &ArrayView2<'_, f32>,
    epilogue: &Epilogue<'_>,
    y: &ArrayViewMut2<'_, f32>,
) -> Result<()> {
    if let Some(bias) = epilogue.bias {
        Error::check_shape("bias of a sparse product", &[w.dim().0], &[bias.len()])?;
    }
    let contiguous = [("X", x.is_standard_layout()), ("Y", y.is_standard_layout())];
    for (name, contiguous) in contiguous {
        if !contiguous {
            return Err(Error::invalid(
                format!("{name} of a sparse product"),
                "strided",
                "contiguous and row-major",
            ));
        }
    }
    Ok(())
}
