//! Products of a sparse matrix (such as CSR) and a dense one: `Y = W·X`, and `Y = X·Wᵀ` with one
//! sample a row.
//!
//! Each output is one chain of fused multiply-adds over the stored values of a row of W, columns
//! ascending. It starts from the bias, or zero. With int8 values it starts from zero over the plain
//! integers, and ends with `scale·chain + bias`, rounded once. Vectors and threads run over
//! different outputs, so every level and thread count gives the same bits. A skipped zero is not
//! multiplied, so it makes no NaN of an infinity. A layout may store some zeros ([`Layout`]), and
//! these are multiplied. (A NaN stays a NaN, but its payload is up to the processor.)
//!
//! # Layout
//!
//! Rows are sorted by length within windows of 64 and cut into slices of 8. The entries of a slice
//! lie slot by slot: 8 rows with their own columns go through one loop, which gives 8 chains. There
//! is no padding (this is SELL-C-σ without its padding). X is copied into panels of 16, 32 or 64
//! columns (8, 16 or 32 at AVX2), since a slice stays with one panel. Samples are transposed into
//! panels and back.
//!
//! # Speed
//!
//! The floor is `kept·batch` multiply-adds, 32 a cycle and core. Every multiply-add loads its
//! elements of X, and two loads of 64 bytes start in a cycle, so loading has the same floor while X
//! is in the first cache. Here X is in the second one (512 KB at 1024×128), which gives at best 64
//! bytes a cycle: twice the floor. 1024×1024 times 1024×128 on two cores of a Zen 5, in
//! microseconds, medians of `cargo peers spmm`, beside torch:
//!
//! | zeros | floor | from the second cache | this | torch CSR |
//! | --- | --- | --- | --- | --- |
//! | 90 % | 49 | 98 | 184 | 436 |
//! | 95 % | 25 | 49 | 87 | 219 |
//! | 99 % | 5 | 10 | 25 | 55 |
//!
//! One column goes entry by entry, with three loads each and 8 chains at once. For blocks and
//! groups of 2 of 4, four rows of blocks go side by side, so that they do not wait for their
//! additions. `X·Wᵀ` on one thread, in microseconds, the least of 200 calls, by
//! `RAYON_NUM_THREADS=1 cargo run --release -p compress-core --example break_even`:
//!
//! | layout, kept | 300×784, 1 row | 64 rows | 1200×1200, 1 row | 64 rows |
//! | --- | --- | --- | --- | --- |
//! | dense | 5.2 to 5.9 | 111 | 46 to 53 | 670 |
//! | CSR, 10 % | 5.3 | 34 | 32 | 202 |
//! | CSR, 10 %, int8 | 7.0 | 36 | 38 | 216 |
//! | bitmask, 10 %, int8 | 39 | 67 | 350 | 520 |
//! | blocks, 25 % | 1.9 | 34 | 16 | 210 |
//! | 2 of 4 | 2.9 | 152 | 28 | 900 |
//!
//! int8 values save memory but not time, since they are converted in each product. The same holds
//! for bitmasks, whose positions are decoded. Groups of 2 of 4 are decoded from 16 rows on, and are
//! then slower than the dense product; they pay for up to three rows. [`prefers_sparse`] has the
//! break-even densities.
//!
//! Tried and rejected as slower: panels of 16 columns and 8 rows at once, of 32, of 48, and of 128
//! and 2 rows; 64 columns and 2 rows. 64 columns and 4 rows won.
//!
//! # References
//! Kreutzer, Hager, Wellein, Fehske, Bishop 2014, *A unified sparse matrix data format for
//! efficient general sparse matrix-vector multiplication on modern processors with wide SIMD
//! units*, 1307.6209: sorted windows, slices.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod break_even;
mod buffer;
mod build;
mod column;
mod cut;
mod decode;
mod dispatch;
mod epilogue;
mod lanes;
mod layout;
mod panels;
mod product;
mod reference;
mod storage;
#[cfg(test)]
mod tests;
mod tile;
mod width;

use ndarray::{ArrayView2, ArrayViewMut2};

pub use self::break_even::prefers_sparse;
pub use self::epilogue::Epilogue;
pub use self::layout::Layout;
pub use self::storage::{Sparse, Values};

use self::dispatch::Level;
use self::product::Product;
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::{Error, Result};

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
        Some(level) => Product {
            level,
            threads: Threads::Pool,
            w,
            epilogue,
        }
        .features(x, y),
    }
    Ok(())
}

/// The sparse product `Y = X·Wᵀ` with X `[batch, k]`, W `[n, k]` and Y `[batch, n]`, all row-major
/// and contiguous: one sample a row, as activations lie in a network. The bits are those of
/// [`spmm`].
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
    spmm_rows_on(isa, Threads::Pool, w, x, epilogue, y)
}

/// As [`spmm_rows_at`], where `threads` says.
pub fn spmm_rows_on(
    isa: Isa,
    threads: Threads,
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
        Some(level) => {
            let product = Product {
                level,
                threads,
                w,
                epilogue,
            };
            return product.samples(x, y);
        }
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
