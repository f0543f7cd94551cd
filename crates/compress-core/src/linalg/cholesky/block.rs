//! A block of columns: the rows of the factor that they wait for, packed, and what is done to
//! other rows with them.

use std::ops::Range;

use super::pivot::Pivot;
use super::rows::{Rows, strips};
use crate::isa::Isa;
use crate::kernels::lines::Lines;
use crate::kernels::subtract_f64::{PANEL, Triangle, factor_triangle_at, substitute_at, subtract};

/// Columns of a block.
pub(super) const BLOCK: usize = 256;
/// How much of k a strip goes through at a time: a strip of rows and the panels of a block fill
/// the second cache with it.
const DEPTH: usize = 256;

/// Which way substitution goes through the factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// `L·y = b`.
    Forward,
    /// `Lᵀ·x = y`, with rows and columns counted from the last.
    Backward,
}

/// Room for the panels of one block after the other.
pub(super) struct Panels(Lines);

impl Panels {
    /// For a factor of `n` rows.
    pub(super) fn new(n: usize) -> Self {
        let (columns, depth) = (n.min(BLOCK).next_multiple_of(PANEL), padded(n));
        Panels(Lines::zeroed(columns * depth * size_of::<f64>()))
    }

    /// The block of `columns`; its panels are yet to be filled. `scales` are the reciprocals of
    /// the pivots in these columns, in whole panels.
    pub(super) fn block<'a>(
        &'a mut self,
        isa: Isa,
        stride: usize,
        columns: Range<usize>,
        scales: &'a mut [f64],
    ) -> Block<'a> {
        let depth = padded(columns.end);
        let panels = columns.len().div_ceil(PANEL);
        Block {
            isa,
            stride,
            depth,
            columns,
            panels: &mut self.0.doubles_mut()[..panels * depth * PANEL],
            scales,
        }
    }
}

/// Whole panels.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(PANEL)
}

/// Some columns, and for each panel of them `[depth, PANEL]` elements of the factor: column c of
/// panel p holds row `columns.start + PANEL·p + c`, zero from the diagonal on.
pub(super) struct Block<'a> {
    isa: Isa,
    /// Of the rows that are worked on.
    stride: usize,
    depth: usize,
    columns: Range<usize>,
    panels: &'a mut [f64],
    scales: &'a mut [f64],
}

impl Block<'_> {
    /// Where the columns of panel `p` begin.
    fn at(&self, p: usize) -> usize {
        self.columns.start + p * PANEL
    }

    fn panel_count(&self) -> usize {
        self.columns.len().div_ceil(PANEL)
    }

    /// The elements `k` of panel `p`.
    fn panel(&self, p: usize, k: Range<usize>) -> &[f64] {
        &self.panels[(p * self.depth + k.start) * PANEL..][..k.len() * PANEL]
    }

    fn triangle(&self, p: usize) -> &Triangle {
        let (rows, _) = self.panel(p, self.at(p)..self.at(p) + PANEL).as_chunks();
        rows.first_chunk().expect("a panel reaches to its diagonal")
    }

    /// Fills the panels with what lies before the block.
    pub(super) fn pack_before(&mut self, share: bool, factor: &Rows) {
        let (columns, size) = (self.columns.clone(), self.depth * PANEL);
        strips(self.panels, size, share, |p, panel| {
            let first = columns.start + p * PANEL;
            pack_forward(factor, first, 0..columns.start, panel);
        });
    }

    /// Fills the panels with all that there is.
    pub(super) fn pack(&mut self, share: bool, factor: &Rows, direction: Direction) {
        let (start, size) = (self.columns.start, self.depth * PANEL);
        strips(self.panels, size, share, |p, panel| {
            let first = start + p * PANEL;
            match direction {
                Direction::Forward => pack_forward(factor, first, 0..first + PANEL, panel),
                Direction::Backward => pack_backward(factor, first, panel),
            }
        });
    }

    /// Subtracts from the first `panels` panels of the rows what lies before the block; in the
    /// rows all columns before `first` are zero.
    pub(super) fn update(&self, rows: &mut [f64], first: usize, panels: usize) {
        let start = self.columns.start;
        for from in (first..start).step_by(DEPTH) {
            let k = from..start.min(from + DEPTH);
            for p in 0..panels.min(self.panel_count()) {
                let panel = self.panel(p, k.clone());
                subtract(self.isa, rows, self.stride, k.clone(), self.at(p), panel);
            }
        }
    }

    /// Solves for the block's columns of the rows, in which all columns before `first` are zero.
    pub(super) fn advance(&self, rows: &mut [f64], first: usize) {
        self.update(rows, first, self.panel_count());
        for p in 0..self.panel_count() {
            self.finish(p, rows, first);
        }
    }

    /// Solves for panel `p` of the rows, after those before it.
    fn finish(&self, p: usize, rows: &mut [f64], first: usize) {
        let (at, stride) = (self.at(p), self.stride);
        let k = first.clamp(self.columns.start, at)..at;
        subtract(self.isa, rows, stride, k.clone(), at, self.panel(p, k));
        let scales = self.scales[p * PANEL..].first_chunk();
        let scales = scales.expect("scales come in whole panels");
        substitute_at(self.isa, rows, stride, at, self.triangle(p), scales);
    }

    /// Factors the rows of the block itself, the square on the diagonal, and fills the rest of
    /// the panels and the scales. What lies before the block has been subtracted.
    pub(super) fn factor_square(&mut self, rows: &mut [f64]) -> Result<(), Pivot> {
        let (start, stride) = (self.columns.start, self.stride);
        for p in 0..self.panel_count() {
            let at = self.at(p);
            let (_, rest) = rows.split_at_mut((at - start) * stride);
            let height = (self.columns.end - at).min(PANEL);
            self.pack_own(p, &rest[..height * stride], start..at);
            let k = start..at;
            subtract(self.isa, rest, stride, k.clone(), at, self.panel(p, k));
            let (own, below) = rest.split_at_mut(height * stride);
            let scales = factor_triangle_at(self.isa, own, stride, at);
            let scales = scales.map_err(|(row, value)| Pivot {
                index: at + row,
                value,
            })?;
            self.scales[p * PANEL..][..PANEL].copy_from_slice(&scales);
            self.pack_own(p, own, at..at + PANEL);
            substitute_at(self.isa, below, stride, at, self.triangle(p), &scales);
        }
        Ok(())
    }

    /// Columns `k` of the rows of panel `p`.
    fn pack_own(&mut self, p: usize, rows: &[f64], k: Range<usize>) {
        let (at, size) = (self.at(p), self.depth * PANEL);
        let panel = &mut self.panels[p * size..][..size];
        pack_rows(rows, self.stride, at, k, panel);
    }
}

/// Columns `k` of the panel's rows of L, which begin at `first`.
fn pack_forward(factor: &Rows, first: usize, k: Range<usize>, panel: &mut [f64]) {
    let last = factor.count().min(first + PANEL);
    let rows = factor.rows(first..last);
    pack_rows(rows, factor.stride(), first, k, panel);
}

/// Columns `k` of at most [`PANEL`] rows of L, the first of which is row `first`; zero from the
/// diagonal on, and for rows that there are not.
fn pack_rows(rows: &[f64], stride: usize, first: usize, k: Range<usize>, panel: &mut [f64]) {
    let (panel, _) = panel.as_chunks_mut::<PANEL>();
    // Squares, so that every line of both sides is used whole.
    for from in k.clone().step_by(PANEL) {
        let k = from..k.end.min(from + PANEL);
        panel[k.clone()].fill([0.0; PANEL]);
        for (c, row) in rows.chunks_exact(stride).enumerate() {
            let k = k.start..k.end.min(first + c).max(k.start);
            for (to, &value) in panel[k.clone()].iter_mut().zip(&row[k]) {
                to[c] = value;
            }
        }
    }
}

/// As [`pack_forward`] for all k, of the factor's transpose with rows and columns counted from
/// the last: `panel[k][c] = L[n−1−k][n−1−first−c]`.
fn pack_backward(factor: &Rows, first: usize, panel: &mut [f64]) {
    let n = factor.count();
    let (panel, _) = panel.as_chunks_mut::<PANEL>();
    for (k, to) in panel[..first + PANEL].iter_mut().enumerate() {
        *to = [0.0; PANEL];
        // The columns c below the diagonal, k < first + c < n.
        let (begin, end) = ((k + 1).max(first), n.min(first + PANEL));
        if begin < end {
            let from = &factor.row(n - 1 - k)[n - end..n - begin];
            let to = &mut to[begin - first..end - first];
            for (to, &value) in to.iter_mut().zip(from.iter().rev()) {
                *to = value;
            }
        }
    }
}
