//! How a product is cut, and the loops around the tiles.
//!
//! ```text
//! for each task: some rows and some panels, cut by the shape alone; threads share these
//!     for each two panels            with k up to 1,024 they stay in the first cache
//!         for each block of rows     as many as a tile has
//!             the sums of a tile, over all k; then its epilogue
//! ```

use std::ops::Range;

use rayon::prelude::*;

use super::dispatch::Level;
use super::epilogue::{
    Columns, Epilogue, Part, Requantize, Rows, store_codes, store_f32, store_i32,
};
use super::pack::{PANEL, PackedI8};
use super::rows::QuantizedRows;
use super::tile::{MOST_ROWS, SUMS, Sums, Tile};
use crate::kernels::Threads;

/// How many times as fast as a product of floats: VNNI takes four times as many multiply-adds an
/// instruction, and both reach about as much of their peak (`cargo xtask bench gemm`).
pub const INTEGER_GAIN: usize = 4;

/// Rows of a task: a multiple of 14 and of 32, what tiles have at AVX-512 and AMX.
const TASK_ROWS: usize = 224;
/// Panels of a task.
const TASK_PANELS: usize = 8;

/// What becomes of the sums, and where it goes: a matrix whose rows are `stride` elements apart.
#[derive(Clone, Copy)]
pub(super) enum Output<'a> {
    I32 {
        to: Target<i32>,
    },
    F32 {
        to: Target<f32>,
        epilogue: Epilogue<'a>,
    },
    Codes {
        to: Target<u8>,
        epilogue: Epilogue<'a>,
        codes: Requantize,
    },
}

/// A matrix that is written by several threads, each its own part.
#[derive(Clone, Copy)]
pub(super) struct Target<T> {
    pub at: *mut T,
    pub stride: usize,
}

// SAFETY: a task writes the rows and columns that it has alone.
unsafe impl<T: Send> Send for Target<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Target<T> {}

/// A product whose shapes have been checked.
pub(super) struct Product<'a> {
    pub level: Level,
    pub x: &'a QuantizedRows,
    pub w: &'a PackedI8,
    pub output: Output<'a>,
}

impl Product<'_> {
    /// Computes all of C.
    ///
    /// # Safety
    /// The output has a row for each of x and a column for each of w, and nobody else touches it.
    pub(super) unsafe fn run(&self, threads: Threads) {
        let (m, k) = self.x.dim();
        let panels = self.w.panel_count();
        let work = m.saturating_mul(k).saturating_mul(panels * PANEL);
        if !threads.share(work / INTEGER_GAIN) {
            // SAFETY: passed on from the caller.
            return unsafe { self.compute(0..m, 0..panels) };
        }
        let strips = panels.div_ceil(TASK_PANELS);
        (0..m.div_ceil(TASK_ROWS) * strips)
            .into_par_iter()
            .with_max_len(1)
            .for_each(|task| {
                let (top, left) = (task / strips * TASK_ROWS, task % strips * TASK_PANELS);
                // SAFETY: as above; no two tasks share rows and columns.
                unsafe {
                    self.compute(
                        top..m.min(top + TASK_ROWS),
                        left..panels.min(left + TASK_PANELS),
                    )
                }
            });
    }

    /// # Safety
    /// As [`Product::run`], for these rows and panels.
    unsafe fn compute(&self, rows: Range<usize>, panels: Range<usize>) {
        // SAFETY: the level is one that the processor has; else passed on from the caller.
        let mut work = || unsafe { self.tiles(rows.clone(), panels.clone()) };
        // SAFETY: as above.
        unsafe { (self.level.around)(&mut work) }
    }

    /// # Safety
    /// As [`Product::compute`], and inside of [`Level::around`].
    unsafe fn tiles(&self, rows: Range<usize>, panels: Range<usize>) {
        let mut sums = Sums([[0; SUMS]; MOST_ROWS]);
        for panel in panels.clone().step_by(2) {
            let pair = panel..panels.end.min(panel + 2);
            let columns = pair.start * PANEL..self.w.dim().1.min(pair.end * PANEL);
            let epilogue = match &self.output {
                Output::I32 { .. } => None,
                Output::F32 { epilogue, .. } | Output::Codes { epilogue, .. } => Some(epilogue),
            };
            let shared = Columns::new(columns.clone(), self.w.sums(), epilogue);
            for top in rows.clone().step_by(self.level.rows) {
                let here = top..rows.end.min(top + self.level.rows);
                // SAFETY: passed on from the caller; the rows are at most a tile's, and there are
                // one or two panels.
                unsafe {
                    self.multiply(here.clone(), pair.clone(), &mut sums);
                    self.store(&sums, here, columns.clone(), &shared);
                }
            }
        }
    }

    /// # Safety
    /// As [`Product::run`], for these rows, which are 1 to those of the level's tile, and these
    /// panels, of which there are 1 or 2.
    unsafe fn multiply(&self, rows: Range<usize>, panels: Range<usize>, sums: &mut Sums) {
        let stride = self.x.stride();
        let a = self.x.readable(rows.clone());
        let b = self.w.panels(panels.clone());
        // SAFETY: the level is one that the processor has. The buffer of x has whole strips of
        // rows of whole steps of k, and the panels are whole as well.
        unsafe {
            (self.level.multiply)(&mut Tile {
                a: a.as_ptr(),
                a_stride: stride,
                b: [
                    b.as_ptr(),
                    b[b.len() / panels.len() * (panels.len() - 1)..].as_ptr(),
                ],
                panels: panels.len(),
                rows: rows.len(),
                k: self.x.dim().1,
                sums,
            });
        }
    }

    /// # Safety
    /// As [`Product::run`], for these rows and columns.
    unsafe fn store(
        &self,
        sums: &Sums,
        rows: Range<usize>,
        columns: Range<usize>,
        shared: &Columns,
    ) {
        let isa = self.level.isa;
        let of = Rows {
            zero_points: &self.x.zero_points()[rows.clone()],
            scales: &self.x.scales()[rows.clone()],
        };
        // SAFETY: passed on from the caller.
        unsafe {
            match self.output {
                Output::I32 { to } => {
                    store_i32(isa, sums, of, shared, &mut to.part(&rows, &columns));
                }
                Output::F32 { to, epilogue } => {
                    let mut to = to.part(&rows, &columns);
                    store_f32(isa, sums, of, shared, epilogue.relu, &mut to);
                }
                Output::Codes {
                    to,
                    epilogue,
                    codes,
                } => {
                    let mut to = to.part(&rows, &columns);
                    store_codes(isa, sums, of, shared, epilogue.relu, codes, &mut to);
                }
            }
        }
    }
}

impl<T: Copy> Target<T> {
    /// # Safety
    /// The target has these rows and columns, and as long as the part exists nobody else touches
    /// them.
    unsafe fn part(&self, rows: &Range<usize>, columns: &Range<usize>) -> Part<T> {
        // SAFETY: the element lies in the target; else passed on from the caller.
        unsafe {
            let at = self.at.add(rows.start * self.stride + columns.start);
            Part::new(at, self.stride, rows.len(), columns.len())
        }
    }
}
