//! A layer that trains on its live (unpruned) weights alone: the forward pass, and the gradients of
//! its inputs and of its weights. The cost falls with the density.
//!
//! Activations lie feature by feature, `[features, batch]`. A weight multiplies a whole row of
//! them, so vectors run over the samples and nothing is gathered. The live values are kept apart,
//! in the order of [`Live::positions`]. An optimizer updates them there like a dense tensor.
//!
//! Each output and each gradient of an input is one chain of fused multiply-adds, over the live
//! weights of its row or column in ascending order. The gradient of a weight is a sum over the
//! samples: sample i goes to lane i mod [`LANES`], each lane is a chain, and the lanes are added
//! in halves. Vectors and threads run over different results, so every level and thread count
//! gives the same bits.
//!
//! # Speed
//!
//! A live weight costs `3·batch` multiply-adds; each loads a vector of activations, and the
//! gradient of a weight loads two.
//!
//! # References
//! Elsen, Dukhan, Gale, Simonyan 2020, *Fast sparse ConvNets*, 1911.09723, section 3.2: the
//! feature-major (`CHW`) layout for products with unstructured sparse weights.

mod live;
#[cfg(test)]
mod tests;

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

pub use self::live::Live;

use self::live::Index;
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::kernels::levels::by_level;
use crate::kernels::reduce::dot_in;
use crate::{Error, Result};

/// Samples that are worked on at a time, and partial sums of a gradient.
pub const LANES: usize = 64;
/// Rows that a thread takes at once.
const ROWS: usize = 8;

/// `y = bias + W·x`: x `[k, batch]`, bias `[n]`, y `[n, batch]`.
///
/// # Errors
/// Where shapes disagree, or a matrix is not contiguous and row-major.
pub fn forward(
    live: &Live,
    values: &[f32],
    bias: &[f32],
    x: ArrayView2<'_, f32>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    forward_at(Isa::active()?, live, values, bias, x, y)
}

/// As [`forward`], at a given level.
///
/// # Errors
/// As [`forward`].
pub fn forward_at(
    isa: Isa,
    live: &Live,
    values: &[f32],
    bias: &[f32],
    x: ArrayView2<'_, f32>,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    let (n, k) = live.dim();
    Error::check_shape("bias of a sparse layer", &[n], &[bias.len()])?;
    chains(isa, live.rows(), (k, n), values, Some(bias), x, y)
}

/// The gradient of the inputs, `dx = Wᵀ·dy`: dy `[n, batch]`, dx `[k, batch]`.
///
/// # Errors
/// As [`forward`].
pub fn backward_inputs(
    live: &Live,
    values: &[f32],
    dy: ArrayView2<'_, f32>,
    dx: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    backward_inputs_at(Isa::active()?, live, values, dy, dx)
}

/// As [`backward_inputs`], at a given level.
///
/// # Errors
/// As [`forward`].
pub fn backward_inputs_at(
    isa: Isa,
    live: &Live,
    values: &[f32],
    dy: ArrayView2<'_, f32>,
    dx: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    let (n, k) = live.dim();
    chains(isa, live.columns(), (n, k), values, None, dy, dx)
}

/// The gradient of the live weights, `dw = dy·xᵀ` where W is live: dy `[n, batch]`, x
/// `[k, batch]`, dw in the order of [`Live::positions`].
///
/// # Errors
/// As [`forward`].
pub fn backward_weights(
    live: &Live,
    dy: ArrayView2<'_, f32>,
    x: ArrayView2<'_, f32>,
    dw: &mut [f32],
) -> Result<()> {
    backward_weights_at(Isa::active()?, live, dy, x, dw)
}

/// As [`backward_weights`], at a given level.
///
/// # Errors
/// As [`forward`].
pub fn backward_weights_at(
    isa: Isa,
    live: &Live,
    dy: ArrayView2<'_, f32>,
    x: ArrayView2<'_, f32>,
    dw: &mut [f32],
) -> Result<()> {
    isa.require("a sparse layer")?;
    let ((n, k), batch) = (live.dim(), x.ncols());
    Error::check_shape("live values", &[live.len()], &[dw.len()])?;
    let x = contiguous("inputs of a sparse layer", &x, [k, batch])?;
    let dy = contiguous("gradient of a sparse layer", &dy, [n, batch])?;
    let share = Threads::Pool.share(live.len().saturating_mul(batch));
    let work = Gradient {
        isa,
        rows: live.rows(),
        dy,
        x,
        batch,
        share,
    };
    work.run(0..n, dw);
    Ok(())
}

/// For each target one chain over its entries: `to[t] = start[t] + Σ value·from[source]`.
fn chains(
    isa: Isa,
    index: Index<'_>,
    (sources, targets): (usize, usize),
    values: &[f32],
    start: Option<&[f32]>,
    from: ArrayView2<'_, f32>,
    mut to: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    isa.require("a sparse layer")?;
    let batch = from.ncols();
    let from = contiguous("inputs of a sparse layer", &from, [sources, batch])?;
    Error::check_shape("outputs of a sparse layer", &[targets, batch], to.shape())?;
    Error::check_shape("live values", &[index.entries()], &[values.len()])?;
    let Some(to) = to.as_slice_mut() else {
        return Err(strided("outputs of a sparse layer"));
    };
    if to.is_empty() {
        return Ok(());
    }
    let run = |(block, to): (usize, &mut [f32])| {
        for (row, to) in to.chunks_exact_mut(batch).enumerate() {
            let target = block * ROWS + row;
            let start = start.map_or(0.0, |start| start[target]);
            chain_at(isa, index, target, values, from, start, to);
        }
    };
    if Threads::Pool.share(values.len().saturating_mul(batch)) {
        to.par_chunks_mut(ROWS * batch).enumerate().for_each(run);
    } else {
        to.chunks_mut(ROWS * batch).enumerate().for_each(run);
    }
    Ok(())
}

/// The gradient of the weights of some rows.
struct Gradient<'a> {
    isa: Isa,
    rows: Index<'a>,
    dy: &'a [f32],
    x: &'a [f32],
    batch: usize,
    share: bool,
}

impl Gradient<'_> {
    /// `dw` holds the live weights of the rows.
    fn run(&self, rows: Range<usize>, dw: &mut [f32]) {
        if rows.len() > ROWS && self.share {
            let middle = rows.start + rows.len() / 2;
            let before = self.rows.range(middle).start - self.rows.range(rows.start).start;
            let (above, below) = dw.split_at_mut(before);
            rayon::join(
                || self.run(rows.start..middle, above),
                || self.run(middle..rows.end, below),
            );
            return;
        }
        let mut rest = dw;
        for row in rows {
            let here = self.rows.range(row).len();
            let (dw, below) = rest.split_at_mut(here);
            let dy = &self.dy[row * self.batch..][..self.batch];
            products_at(self.isa, self.rows.sources(row), dy, self.x, dw);
            rest = below;
        }
    }
}

by_level! {
    fn chain_at(
        index: Index<'_>, target: usize, values: &[f32], from: &[f32], start: f32, to: &mut [f32],
    ) = chain_body;

    /// `dw[i] = Σ dy·x[sources[i]]`, rows of x as long as dy.
    fn products_at(sources: &[u32], dy: &[f32], x: &[f32], dw: &mut [f32]) = products_body;
}

#[inline(always)]
fn chain_body(
    index: Index<'_>,
    target: usize,
    values: &[f32],
    from: &[f32],
    start: f32,
    to: &mut [f32],
) {
    let batch = to.len();
    let (whole, rest) = to.as_chunks_mut::<LANES>();
    for (block, to) in whole.iter_mut().enumerate() {
        let mut sums = [start; LANES];
        for (source, at) in index.entries_of(target) {
            let from = &from[source * batch + block * LANES..];
            let Some(from) = from.first_chunk::<LANES>() else {
                return;
            };
            let value = values[at];
            for (sum, &x) in sums.iter_mut().zip(from) {
                *sum = value.mul_add(x, *sum);
            }
        }
        *to = sums;
    }
    if rest.is_empty() {
        return;
    }
    rest.fill(start);
    let first = batch - rest.len();
    for (source, at) in index.entries_of(target) {
        let from = &from[source * batch + first..][..rest.len()];
        let value = values[at];
        for (sum, &x) in rest.iter_mut().zip(from) {
            *sum = value.mul_add(x, *sum);
        }
    }
}

#[inline(always)]
fn products_body(sources: &[u32], dy: &[f32], x: &[f32], dw: &mut [f32]) {
    let batch = dy.len();
    for (&source, dw) in sources.iter().zip(dw) {
        *dw = dot_in::<LANES>(dy, &x[source as usize * batch..][..batch]);
    }
}

fn contiguous<'a>(
    what: &str,
    matrix: &'a ArrayView2<'_, f32>,
    shape: [usize; 2],
) -> Result<&'a [f32]> {
    Error::check_shape(what, &shape, matrix.shape())?;
    matrix.as_slice().ok_or_else(|| strided(what))
}

fn strided(what: &str) -> Error {
    Error::invalid(what, "strided", "contiguous and row-major")
}
