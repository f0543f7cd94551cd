//! The integer matrix product (GEMM) `C = A·B` with B in 8 bits, and what follows it in a layer.
//!
//! A holds codes of activations, signed or unsigned. B holds signed weights, packed once. Sums are
//! i32. Those of [`gemm_i8`] and [`gemm_u8`] are exact modulo 2³² at every level, as those of ONNX's
//! `MatMulInteger`. No sum of up to [`MOST_INPUTS`] products overflows; the other functions refuse
//! more.
//!
//! There is one kernel, unsigned times signed. For signed activations, 128 is added to them and the
//! zero point is 128. At the end, `zero_point · (sum of the column of B)` is subtracted, as for any
//! zero point. The epilogue scales, adds the bias, applies ReLU and, where asked for, rounds to
//! codes again, while a tile's sums are still in the first cache. Its floating-point operations are
//! the same, one by one, at every level.
//!
//! # Speed
//!
//! The floor is `2·m·k·n` operations at the peak of the level's integer products. For one row it is
//! the time to read the packed weights. One stream of memory is read faster than two, so one row
//! takes one panel at a time. `docs/performance.md` says how much is reached at each level.

mod dispatch;
mod epilogue;
mod pack;
mod product;
mod reference;
mod rows;
mod tile;

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use ndarray::{ArrayView2, ArrayViewMut2};

pub use self::epilogue::Epilogue;
pub use self::pack::PackedI8;
pub use self::product::INTEGER_GAIN;
pub use self::rows::QuantizedRows;

use self::dispatch::Level;
use self::epilogue::Requantize;
use self::product::{Output, Product, Target};
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::{Error, Result};

/// The most products of codes whose sum is within i32, whatever the codes: 255 · 128 each.
pub const MOST_INPUTS: usize = i32::MAX as usize / (255 * 128);

thread_local! {
    /// Room for the codes of a product; each thread keeps it for the next one.
    static CODES: Cell<QuantizedRows> = Cell::default();
}

/// `C = A·B` with signed A `[m, k]`, B `[k, n]` and C `[m, n]`, which must be contiguous and
/// row-major. Runs on the calling thread and, where the product is large, on those of the
/// current rayon pool.
///
/// # Errors
/// Where shapes disagree, C is not contiguous, or `COMPRESS_ISA` asks for what the machine lacks.
///
/// ```
/// use compress_core::kernels::gemm_i8::{PackedI8, gemm_i8};
/// use ndarray::{Array2, array};
///
/// let weights = PackedI8::pack(array![[1i8, 2], [3, -4]].view());
/// let mut c = Array2::zeros((1, 2));
/// gemm_i8(array![[10i8, -1]].view(), &weights, c.view_mut())?;
/// assert_eq!(c, array![[7, 24]]);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn gemm_i8(a: ArrayView2<'_, i8>, b: &PackedI8, c: ArrayViewMut2<'_, i32>) -> Result<()> {
    gemm_i8_at(Isa::active()?, a, b, c)
}

/// As [`gemm_i8`], at a given level.
///
/// # Errors
/// As [`gemm_i8`].
pub fn gemm_i8_at(
    isa: Isa,
    a: ArrayView2<'_, i8>,
    b: &PackedI8,
    c: ArrayViewMut2<'_, i32>,
) -> Result<()> {
    with_codes(|codes| {
        codes.take(a, 128, |a| (a as u8) ^ 0x80);
        integers(isa, codes, b, c)
    })
}

/// As [`gemm_i8`], with unsigned A.
///
/// # Errors
/// As [`gemm_i8`].
pub fn gemm_u8(a: ArrayView2<'_, u8>, b: &PackedI8, c: ArrayViewMut2<'_, i32>) -> Result<()> {
    gemm_u8_at(Isa::active()?, a, b, c)
}

/// As [`gemm_u8`], at a given level.
///
/// # Errors
/// As [`gemm_i8`].
pub fn gemm_u8_at(
    isa: Isa,
    a: ArrayView2<'_, u8>,
    b: &PackedI8,
    c: ArrayViewMut2<'_, i32>,
) -> Result<()> {
    with_codes(|codes| {
        codes.take(a, 0, |a| a);
        integers(isa, codes, b, c)
    })
}

/// The product of a layer on quantized activations: y `[m, n]` as [`Epilogue`] says.
///
/// # Errors
/// As [`gemm_i8`], and where there are more than [`MOST_INPUTS`] inputs.
pub fn gemm_dequantize(
    x: &QuantizedRows,
    w: &PackedI8,
    epilogue: Epilogue<'_>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm_dequantize_at(Isa::active()?, x, w, epilogue, y)
}

/// As [`gemm_dequantize`], at a given level.
///
/// # Errors
/// As [`gemm_i8`].
pub fn gemm_dequantize_at(
    isa: Isa,
    x: &QuantizedRows,
    w: &PackedI8,
    epilogue: Epilogue<'_>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm_dequantize_on(isa, Threads::Pool, x, w, epilogue, y)
}

/// As [`gemm_dequantize_at`], where `threads` says.
pub fn gemm_dequantize_on(
    isa: Isa,
    threads: Threads,
    x: &QuantizedRows,
    w: &PackedI8,
    epilogue: Epilogue<'_>,
    mut y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    check_output(x, w, &y)?;
    check_epilogue(w, &epilogue)?;
    let to = target(&mut y);
    let output = Output::F32 { to, epilogue };
    run(isa, threads, x, w, output)
}

/// The product of a layer on quantized activations whose results are quantized again, with a given
/// scale and zero point: `codes = min(max(round(y·(1/scale)) + zero_point, 0), 255)`, with y as
/// [`Epilogue`] says. NaN gives 0; only scales or a bias that are not finite lead to NaN.
///
/// # Errors
/// As [`gemm_i8`], and as [`QuantizedRows::quantize_with`] for the scale.
pub fn gemm_requantize(
    x: &QuantizedRows,
    w: &PackedI8,
    epilogue: Epilogue<'_>,
    (scale, zero_point): (f32, u8),
    y: &mut QuantizedRows,
) -> Result<()> {
    gemm_requantize_at(Isa::active()?, x, w, epilogue, (scale, zero_point), y)
}

/// As [`gemm_requantize`], at a given level.
///
/// # Errors
/// As [`gemm_requantize`].
pub fn gemm_requantize_at(
    isa: Isa,
    x: &QuantizedRows,
    w: &PackedI8,
    epilogue: Epilogue<'_>,
    (scale, zero_point): (f32, u8),
    y: &mut QuantizedRows,
) -> Result<()> {
    check_inner(x, w)?;
    check_epilogue(w, &epilogue)?;
    let codes = Requantize {
        inverse: rows::reciprocal(scale)?,
        zero_point: i32::from(zero_point),
    };
    y.prepare(x.dim().0, w.dim().1, scale, zero_point);
    let to = Target {
        stride: y.stride(),
        at: y.codes_mut().as_mut_ptr(),
    };
    let output = Output::Codes {
        to,
        epilogue,
        codes,
    };
    run(isa, Threads::Pool, x, w, output)
}

/// Lends the thread's room for codes. It is taken out meanwhile: a thread of the pool that waits
/// for its part of a product may begin another one.
fn with_codes<T>(work: impl FnOnce(&mut QuantizedRows) -> T) -> T {
    let mut codes = CODES.take();
    let done = work(&mut codes);
    CODES.set(codes);
    done
}

fn integers(
    isa: Isa,
    x: &QuantizedRows,
    w: &PackedI8,
    mut c: ArrayViewMut2<'_, i32>,
) -> Result<()> {
    check_output(x, w, &c)?;
    let to = target(&mut c);
    run(isa, Threads::Pool, x, w, Output::I32 { to })
}

/// Runs a product whose output has a row for each of x and a column for each of w.
fn run(
    isa: Isa,
    threads: Threads,
    x: &QuantizedRows,
    w: &PackedI8,
    output: Output<'_>,
) -> Result<()> {
    let level = Level::of(isa)?;
    let product = Product {
        level,
        x,
        w,
        output,
    };
    // SAFETY: the callers have checked the output, which they borrow mutably.
    unsafe { product.run(threads) };
    Ok(())
}

fn target<T>(c: &mut ArrayViewMut2<'_, T>) -> Target<T> {
    Target {
        stride: c.ncols(),
        at: c.as_mut_ptr(),
    }
}

fn check_inner(x: &QuantizedRows, w: &PackedI8) -> Result<()> {
    let ((_, k), (inner, n)) = (x.dim(), w.dim());
    Error::check_shape("B of a matrix product", &[k, n], &[inner, n])
}

fn check_output<T>(x: &QuantizedRows, w: &PackedI8, c: &ArrayViewMut2<'_, T>) -> Result<()> {
    check_inner(x, w)?;
    let expected = [x.dim().0, w.dim().1];
    Error::check_shape("C of a matrix product", &expected, c.shape())?;
    if c.is_standard_layout() {
        return Ok(());
    }
    Err(Error::invalid(
        "C of a matrix product",
        "strided",
        "contiguous and row-major",
    ))
}

fn check_epilogue(w: &PackedI8, epilogue: &Epilogue<'_>) -> Result<()> {
    let (k, n) = w.dim();
    if k > MOST_INPUTS {
        let expected = format!("at most {MOST_INPUTS}, so that no sum of products overflows");
        return Err(Error::invalid(
            "K of a matrix product of codes",
            k,
            expected,
        ));
    }
    Error::check_shape("scales of a matrix product", &[n], &[epilogue.scales.len()])?;
    match epilogue.bias {
        None => Ok(()),
        Some(bias) => Error::check_shape("bias of a matrix product", &[n], &[bias.len()]),
    }
}
