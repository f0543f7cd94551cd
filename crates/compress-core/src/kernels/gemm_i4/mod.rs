//! Products with weights of 4 to 8 bits that stay packed: `y = bias + x·Wᵀ`.

mod activations;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod codes;
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

pub use self::activations::Scratch;
pub use self::packed::{NF4, PackedBlocks, PackedI4};
pub use self::panels::Panels;

use self::panels::Kind;
use self::product::Level;
use crate::isa::Isa;
use crate::{Error, Result};

/// What the activations are multiplied as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activations {
    /// As they are.
    F32,
    /// Rounded to 8 bits, with a scale for each row and block.
    I8,
}

impl Activations {
    /// What suits the weights: [`Activations::F32`] for a codebook, whose values 8-bit integers
    /// only approximate, and [`Activations::I8`] for all else.
    pub fn default_of(weights: &Panels) -> Self {
        match weights.kind {
            Kind::Codebook => Activations::F32,
            _ => Activations::I8,
        }
    }
}

/// `y = bias + x·Wᵀ` with x `[m, k]`, W `[n, k]`, y `[m, n]`, and the activations of
/// [`Activations::default_of`].
///
/// Allocates what it needs; [`gemm_into`] does not. The rows of x, and y, must be contiguous.
/// Runs on the calling thread and, where the product is large, on those of the current rayon
/// pool.
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

/// As [`gemm`], with given activations, and without allocation where `scratch` has served as
/// many rows before or was made by [`Scratch::for_rows`].
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
    check(&x, weights, bias, &y)?;
    match (Level::of(isa)?, activations) {
        (None, Activations::F32) => reference::floats(x, weights, bias, y),
        (None, Activations::I8) => reference::integers(x, weights, bias, y),
        (Some(level), _) => product::run(level, x, weights, bias, activations, scratch, y),
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
    let contiguous = x.is_empty() || x.ncols() == 1 || x.strides()[1] == 1;
    if !contiguous || !y.is_standard_layout() {
        return Err(Error::invalid(
            "x or y of a product",
            "strided",
            "contiguous in its rows",
        ));
    }
    Ok(())
}
