//! How the work is cut: panels between threads, rows into tiles.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use super::activations::{Activations, Scratch, TILE_ROWS, tile_height};
use super::dispatch::Level;
use super::panels::{BLOCK, PANEL, Panels};
use super::tiles::Tile;
use crate::kernels::Threads;

/// Panels of a tile of several rows. A single row takes one panel after the other, as they lie.
const PAIR: usize = 2;
/// Parts of a product, each of panels that follow each other, so that threads read long streams.
const PARTS: usize = 8;
/// Multiply-adds of a part: at least, and at most of two panels or more.
const PART: (usize, usize) = (1 << 16, 1 << 21);
/// Bytes of activations that are used for all panels of a task before the next ones: a part of
/// the second cache.
const ROWS_BYTES: usize = 1 << 19;

/// A product whose operands are as [`run`] says.
struct Product<'a> {
    level: Level,
    weights: &'a Panels,
    activations: Activations,
    x: ArrayView2<'a, f32>,
    scratch: &'a Scratch,
    bias: Option<&'a [f32]>,
    y: Output,
}

/// Where the result goes. Each task writes the columns of its own panels.
struct Output {
    start: *mut f32,
    stride: usize,
}

// SAFETY: tasks write to different columns, as `Product::share` gives each panel to one.
unsafe impl Sync for Output {}

/// `y = bias + x·Wᵀ`.
///
/// # Safety
/// `x` is `[m, k]`, its rows contiguous; `y` is `[m, n]` and contiguous; `bias` has `n` values, if
/// there is one; and the weights are `[n, k]`.
pub(super) unsafe fn run(
    level: Level,
    threads: Threads,
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    activations: Activations,
    scratch: &mut Scratch,
    mut y: ArrayViewMut2<'_, f32>,
) {
    if y.is_empty() {
        return;
    }
    match activations {
        Activations::F32 => scratch.sum(level.isa, threads, weights, x),
        Activations::I8 => scratch.quantize(level.isa, threads, weights, x),
    }
    let product = Product {
        level,
        weights,
        activations,
        x,
        scratch,
        bias,
        y: Output {
            stride: weights.n,
            start: y.as_mut_ptr(),
        },
    };
    let panels = 0..weights.count();
    let work = product.work(panels.len());
    if threads.share(work) {
        let part = (work / PARTS).clamp(PART.0, PART.1);
        product.share(panels, part);
    } else {
        product.compute(panels);
    }
}

impl Product<'_> {
    /// Multiply-adds of some panels.
    fn work(&self, panels: usize) -> usize {
        let panel = self.x.len().saturating_mul(PANEL);
        panel.saturating_mul(panels)
    }

    /// Halves panels while both halves are at least `part` multiply-adds. Nothing is allocated for
    /// that.
    fn share(&self, panels: Range<usize>, part: usize) {
        let half = (panels.len() / 2).next_multiple_of(PAIR);
        if panels.len() <= PAIR || self.work(panels.len() - half) < part {
            return self.compute(panels);
        }
        let middle = panels.start + half;
        rayon::join(
            || self.share(panels.start..middle, part),
            || self.share(middle..panels.end, part),
        );
    }

    fn compute(&self, panels: Range<usize>) {
        let rows = self.x.nrows();
        let width = if rows == 1 { 1 } else { PAIR };
        let row_bytes = match self.activations {
            Activations::F32 => 4 * self.weights.k,
            Activations::I8 => self.weights.k,
        };
        let chunk = (ROWS_BYTES / row_bytes.max(1)).max(1);
        let chunk = chunk.next_multiple_of(TILE_ROWS);
        for top in (0..rows).step_by(chunk) {
            for panel in panels.clone().step_by(width) {
                let mut row = top;
                while row < rows.min(top + chunk) {
                    let height = tile_height(rows - row);
                    self.tile(panel..panels.end.min(panel + width), row, height);
                    row += height;
                }
            }
        }
    }

    /// One tile: `height` rows from `row` on, the outputs of some panels.
    fn tile(&self, panels: Range<usize>, row: usize, height: usize) {
        let w = self.weights;
        let (codes, scales) = w.panels(panels.clone());
        let first = panels.start * PANEL;
        let (run, units, terms) = match self.activations {
            Activations::F32 => (self.level.floats, w.groups(), 0),
            Activations::I8 => {
                let units = w.k.div_ceil(w.kind.unit());
                (self.level.integers, units, w.kind.terms())
            }
        };
        let scratch = self.scratch;
        // SAFETY: the level is one that the processor has. The panel and the rows lie inside of
        // the operands, whose shapes agree, and the scratch holds what has been prepared for
        // these rows in tiles of the same heights (where it holds nothing, as without minimums,
        // nothing is read). The columns of `y` from `first` on belong to this panel, and so to
        // this task.
        unsafe {
            run(&Tile {
                weights: w,
                codes: codes.as_ptr(),
                scales: scales.as_ptr(),
                lane: 0,
                rows: height,
                x: self.x.as_ptr().offset(row as isize * self.x.strides()[0]),
                x_stride: self.x.strides()[0],
                codes_x: scratch
                    .codes
                    .as_ptr()
                    .wrapping_add(row * w.blocks() * BLOCK),
                scales_x: scratch.scales.as_ptr().wrapping_add(row * units),
                terms: scratch.terms.as_ptr().wrapping_add(row * units * terms),
                height,
                bias: self.bias.map(|bias| bias.as_ptr().add(first)),
                y: self.y.start.add(row * self.y.stride + first),
                y_stride: self.y.stride,
                cols: (w.n - first).min(panels.len() * PANEL),
            });
        }
    }
}
