//! The blocked product: how the work is cut, and the loops around the tiles.
//!
//! C is cut into a grid by its shape alone. A task computes one part of the grid: for each block
//! of k it packs the panels of B that it needs, then, tile by tile, the rows of A, and multiplies
//! each packed tile of A with all of its panels. The tile of A stays in the first cache, the
//! panels of B in the second.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayViewMut2, Axis};

use super::Init;
use super::pack::{Operand, PackedB};
use super::tile::{A_STRIDE, DEPTH, Level, MAX_ROWS, PANEL, Start, Tile};

/// The most panels of a task: with [`DEPTH`], 256 KB of the second cache.
const TASK_PANELS: usize = 8;
/// The most rows of a task.
const TASK_ROWS: usize = 512;
/// Multiply-adds below which a product stays on the calling thread.
const SERIAL: usize = 1 << 20;

/// B as the caller has it.
pub(super) enum Source<'a> {
    /// To be packed as it is used.
    Plain(Operand<'a>),
    /// Packed before.
    Packed(&'a PackedB),
}

/// A product whose shapes have been checked.
pub(super) struct Product<'a> {
    pub level: Level,
    pub a: Operand<'a>,
    pub b: Source<'a>,
    pub init: Init<'a>,
    pub k: usize,
}

/// A part of the grid.
struct Task<'c> {
    rows: Range<usize>,
    panels: Range<usize>,
    c: ArrayViewMut2<'c, f32>,
}

/// Packed operands of the task at hand, kept by each thread for the next.
#[derive(Default)]
struct Buffers {
    a: Vec<Line>,
    b: Vec<Line>,
}

/// A cache line; seen as numbers through [`floats`] alone.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
#[allow(dead_code, reason = "read and written through `floats`")]
struct Line([f32; LINE]);

const LINE: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

impl Product<'_> {
    /// `C = init + A·B`.
    pub(super) fn run(&self, c: ArrayViewMut2<'_, f32>) {
        let (m, n) = c.dim();
        if m == 0 || n == 0 {
            return;
        }
        let work = m.saturating_mul(n).saturating_mul(self.k);
        let tasks = cut(c, work);
        let threads = if work < SERIAL {
            1
        } else {
            rayon::current_num_threads().min(tasks.len())
        };
        if threads == 1 {
            tasks.into_iter().for_each(|task| self.compute(task));
            return;
        }
        // The calling thread takes its part, whether it belongs to the pool or not.
        let queue = Mutex::new(tasks.into_iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(task) = next() {
                self.compute(task);
            }
        };
        rayon::in_place_scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| work());
            }
            work();
        });
    }

    fn compute(&self, task: Task<'_>) {
        BUFFERS.with_borrow_mut(|buffers| self.compute_with(buffers, task));
    }

    fn compute_with(&self, buffers: &mut Buffers, mut task: Task<'_>) {
        let Level {
            rows: height,
            transpose,
            ..
        } = self.level;
        let depths = parts(self.k, DEPTH).max(1);
        let blocks = parts(task.rows.len(), height);
        buffers
            .a
            .resize(MAX_ROWS * A_STRIDE / LINE, Line::default());
        let a: &mut [f32; MAX_ROWS * A_STRIDE] = floats(&mut buffers.a)
            .try_into()
            .expect("resized to this length");
        for d in 0..depths {
            let k = part(self.k, depths, d);
            let size = k.len() * PANEL;
            let panels: &[f32] = match &self.b {
                Source::Packed(_) => &[],
                Source::Plain(b) => {
                    let lines = (task.panels.len() * size).div_ceil(LINE);
                    if buffers.b.len() < lines {
                        buffers.b.resize(lines, Line::default());
                    }
                    let to = floats(&mut buffers.b);
                    for (i, panel) in task.panels.clone().enumerate() {
                        b.pack_panel(transpose, k.clone(), panel, &mut to[i * size..][..size]);
                    }
                    to
                }
            };
            for block in 0..blocks {
                let rows = part(task.rows.len(), blocks, block);
                let from = task.rows.start + rows.start..task.rows.start + rows.end;
                self.a.pack_rows(transpose, from, k.clone(), a);
                for (i, panel) in task.panels.clone().enumerate() {
                    let b = match &self.b {
                        Source::Packed(b) => b.panel(panel, k.clone()),
                        Source::Plain(_) => &panels[i * size..][..size],
                    };
                    self.multiply(&mut task, rows.clone(), i, a, b, d == 0);
                }
            }
        }
    }

    /// One tile: rows `rows` of the task's C, and its panel `panel`.
    fn multiply(
        &self,
        task: &mut Task<'_>,
        rows: Range<usize>,
        panel: usize,
        a: &[f32; MAX_ROWS * A_STRIDE],
        b: &[f32],
        first: bool,
    ) {
        let col = panel * PANEL;
        let start = match self.init {
            _ if !first => Start::Accumulate,
            Init::Zero => Start::Zero,
            Init::Accumulate => Start::Accumulate,
            Init::Bias(bias) => Start::Bias(bias[task.panels.start * PANEL + col..].as_ptr()),
        };
        let c_stride = task.c.strides()[0] as usize;
        let cols = (task.c.ncols() - col).min(PANEL);
        let c = &mut task.c[(rows.start, col)];
        let tile = Tile {
            a: a.as_ptr(),
            b: b.as_ptr(),
            b_stride: PANEL as isize,
            c,
            c_stride,
            rows: rows.len(),
            cols,
            k: b.len() / PANEL,
            start,
        };
        debug_assert!(rows.end <= task.c.nrows() && tile.k <= DEPTH);
        // SAFETY: the level is one that the processor has. The tile is at most as high as the
        // level's and as deep as `DEPTH`, so A has its rows; B is a whole panel; C's rows and
        // columns lie inside of the task's part, which is borrowed mutably; the bias has a value
        // for each column of C.
        unsafe { (self.level.multiply)(&tile) };
    }
}

/// Cuts C by its shape. Powers of two, so that two or four threads get as much each.
fn cut(c: ArrayViewMut2<'_, f32>, work: usize) -> Vec<Task<'_>> {
    let (m, n) = c.dim();
    let panels = n.div_ceil(PANEL);
    let mut strips = parts(panels, TASK_PANELS).next_power_of_two();
    if work >= SERIAL {
        strips = strips.max(4);
    }
    let strips = strips.min(panels);
    let chunks = parts(m, TASK_ROWS);
    let mut tasks = Vec::with_capacity(strips * chunks);
    let mut rest = c;
    for chunk in 0..chunks {
        let rows = part(m, chunks, chunk);
        let (mut chunk, below) = rest.split_at(Axis(0), rows.len());
        for strip in 0..strips {
            let panels = part(panels, strips, strip);
            let width = (panels.len() * PANEL).min(chunk.ncols());
            let (part, right) = chunk.split_at(Axis(1), width);
            tasks.push(Task {
                rows: rows.clone(),
                panels,
                c: part,
            });
            chunk = right;
        }
        rest = below;
    }
    tasks
}

/// How many parts of at most `most` there are in `length`.
fn parts(length: usize, most: usize) -> usize {
    length.div_ceil(most)
}

/// Part `index` of `length` cut into `parts` that differ by one at most, the longer ones first.
fn part(length: usize, parts: usize, index: usize) -> Range<usize> {
    let (size, longer) = (length / parts, length % parts);
    let start = index * size + index.min(longer);
    start..start + size + usize::from(index < longer)
}

fn floats(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: a line is `LINE` floats without padding, and any alignment of theirs is fine.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE) }
}

const _: () = assert!(size_of::<Line>() == LINE * size_of::<f32>());
const _: () = assert!((MAX_ROWS * A_STRIDE).is_multiple_of(LINE));
