//! The blocked product: how the work is cut, and the loops around the tiles.
//!
//! ```text
//! for each task: a part of a grid over C, which C's shape alone defines; threads share these
//!     for each block of k                      at most DEPTH
//!         pack the task's panels of B          they stay in the second cache
//!         for each block of rows of A          as many as a tile has
//!             for each panel
//!                 a tile of C = its start, or what it holds + rows of A · panel of B
//! ```

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};

use super::dispatch::Level;
use super::init::Init;
use super::pack::{Operand, PackedB};
use super::tile::{DEPTH, PANEL, ROW_PANELS, Row, Start, Tile};
use crate::kernels::Threads;
use crate::kernels::lines::Lines;

/// The most panels of a task: with [`DEPTH`], 512 KB of the second cache.
const TASK_PANELS: usize = 4;
/// The most rows of a task.
const TASK_ROWS: usize = 512;
/// Multiply-adds below which a product stays on the calling thread.
const SERIAL: usize = 1 << 21;

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
    pub a: ArrayView2<'a, f32>,
    pub b: Source<'a>,
    pub init: Init<'a>,
}

/// A part of the grid.
struct Task<'c> {
    rows: Range<usize>,
    panels: Range<usize>,
    c: ArrayViewMut2<'c, f32>,
}

thread_local! {
    /// The packed panels of the task at hand, kept by each thread for the next.
    static PANELS: RefCell<Lines> = RefCell::default();
}

impl Product<'_> {
    /// `C = init + A·B`.
    pub(super) fn run(&self, threads: Threads, c: ArrayViewMut2<'_, f32>) {
        let (m, n) = c.dim();
        if m == 0 || n == 0 {
            return;
        }
        let work = m.saturating_mul(n).saturating_mul(self.a.ncols());
        if let (Source::Packed(b), 1) = (&self.b, m) {
            let c = c.into_slice().expect("C is contiguous");
            return self.row(b, threads.share(work), 0..n.div_ceil(PANEL), c);
        }
        if threads == Threads::Here || work < SERIAL {
            return self.run_here(c);
        }
        let tasks = cut(c);
        let threads = rayon::current_num_threads().min(tasks.len());
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

    /// On the calling thread; allocates nothing where B is packed.
    fn run_here(&self, mut c: ArrayViewMut2<'_, f32>) {
        let (m, n) = c.dim();
        for left in (0..n).step_by(TASK_PANELS * PANEL) {
            let right = n.min(left + TASK_PANELS * PANEL);
            self.compute(Task {
                rows: 0..m,
                panels: left / PANEL..right.div_ceil(PANEL),
                c: c.slice_mut(s![.., left..right]),
            });
        }
    }

    fn compute(&self, task: Task<'_>) {
        PANELS.with_borrow_mut(|buffer| self.compute_with(buffer, task));
    }

    /// A single row, over the columns of some panels: as many at a time as give enough chains.
    fn row(&self, b: &PackedB, share: bool, panels: Range<usize>, c: &mut [f32]) {
        if panels.len() > ROW_PANELS {
            let half = panels.start + panels.len() / 2;
            let (left, right) = c.split_at_mut((half - panels.start) * PANEL);
            let (first, second) = (panels.start..half, half..panels.end);
            if share {
                rayon::join(
                    || self.row(b, share, first, left),
                    || self.row(b, share, second, right),
                );
            } else {
                self.row(b, share, first, left);
                self.row(b, share, second, right);
            }
            return;
        }
        let a = self.a.row(0);
        // SAFETY: the level is one that the processor has. A has an element for each row of the
        // panels, which hold all the columns of this part of C; a bias has a value for each column
        // of all of C, so it has for these.
        unsafe {
            (self.level.row)(&Row {
                a: a.as_ptr(),
                a_cols: a.strides()[0],
                b: b.panels(panels.clone()).as_ptr(),
                panel_size: b.panel_size(),
                c: c.as_mut_ptr(),
                cols: c.len(),
                k: a.len(),
                start: self.start(true, panels.start),
            });
        }
    }

    fn compute_with(&self, buffer: &mut Lines, mut task: Task<'_>) {
        let depths = parts(self.a.ncols(), DEPTH).max(1);
        let blocks = parts(task.rows.len(), self.level.rows);
        for d in 0..depths {
            let k = part(self.a.ncols(), depths, d);
            let size = k.len() * PANEL;
            let packed = match &self.b {
                Source::Plain(b) => self.pack(b, k.clone(), task.panels.clone(), buffer),
                Source::Packed(_) => &[],
            };
            for block in 0..blocks {
                let rows = part(task.rows.len(), blocks, block);
                for (i, panel) in task.panels.clone().enumerate() {
                    let b = match &self.b {
                        Source::Plain(_) => &packed[i * size..][..size],
                        Source::Packed(b) => b.panel(panel, k.clone()),
                    };
                    let start = self.start(d == 0, panel);
                    self.multiply(&mut task, rows.clone(), i * PANEL, k.clone(), b, start);
                }
            }
        }
    }

    /// Rows `k` of some panels, one after the other.
    fn pack<'b>(
        &self,
        b: &Operand<'_>,
        k: Range<usize>,
        panels: Range<usize>,
        buffer: &'b mut Lines,
    ) -> &'b [f32] {
        let size = k.len() * PANEL;
        let length = panels.len() * size;
        buffer.grow(length * size_of::<f32>());
        let to = &mut buffer.floats_mut()[..length];
        b.pack_panels(Some(self.level), k, panels, to);
        to
    }

    /// What the chains of a panel start from in the first block of k, and in those after it.
    fn start(&self, first: bool, panel: usize) -> Start {
        match self.init {
            Init::Zero if first => Start::Zero,
            Init::Bias(bias) if first => Start::Bias(bias[panel * PANEL..].as_ptr()),
            _ => Start::Accumulate,
        }
    }

    /// One tile: some rows of a task, and the columns of its C from `col` on, as many as a panel
    /// has or C. (Views of the rows would cost as much as a tenth of a small product.)
    fn multiply(
        &self,
        task: &mut Task<'_>,
        rows: Range<usize>,
        col: usize,
        k: Range<usize>,
        b: &[f32],
        start: Start,
    ) {
        let (height, width) = task.c.dim();
        let top = task.rows.start + rows.start;
        assert!(rows.end <= height && rows.len() <= self.level.rows);
        assert!(top + rows.len() <= self.a.nrows() && k.end <= self.a.ncols());
        assert!(b.len() == k.len() * PANEL && col < width);
        let (a_strides, c_stride) = (self.a.strides(), task.c.strides()[0]);
        let a = top as isize * a_strides[0] + k.start as isize * a_strides[1];
        // SAFETY: these are rows and columns of A and of C, whose columns are contiguous, since
        // those of all of C are, and which is borrowed mutably. The level is one that the
        // processor has, and can take as many rows; B has a row of whole vectors for each column
        // of A; a bias has a value for each column of all of C, so it has for these.
        unsafe {
            (self.level.multiply)(&Tile {
                a: self.a.as_ptr().wrapping_offset(a),
                a_rows: a_strides[0],
                a_cols: a_strides[1],
                b: b.as_ptr(),
                c: task
                    .c
                    .as_mut_ptr()
                    .offset(rows.start as isize * c_stride)
                    .add(col),
                c_stride: c_stride as usize,
                rows: rows.len(),
                cols: (width - col).min(PANEL),
                k: k.len(),
                start,
            });
        }
    }
}

/// Cuts C by its shape. Powers of two, so that two or four threads get as much each.
fn cut(c: ArrayViewMut2<'_, f32>) -> Vec<Task<'_>> {
    let (m, n) = c.dim();
    let panels = n.div_ceil(PANEL);
    let strips = parts(panels, TASK_PANELS).next_power_of_two();
    let strips = strips.max(4).min(panels);
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
