//! How a product is cut: panels of columns, windows of rows, and who computes which.
//!
//! ```text
//! for each group of panels of X                  threads share these,
//!     copy the panels, feature by feature         each a block of contiguous memory
//!     for each window of rows of W               or these, where there are few groups
//!         for each slice of the window
//!             decode it, where its layout asks for it
//!             for each panel of the group
//!                 a tile: 8 rows by the panel's columns
//! ```

use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};

use super::buffer::Buffer;
use super::column::window_column;
use super::layout::{Form, Stored, WINDOW};
use super::panels::{Panels, window_panels};
use super::product::Product;
use super::width::Width;
use crate::kernels::gemm_f32::transpose;
use crate::{Error, Result};

/// Panels of a group where slices are decoded, so that this is done once for several.
const DECODED_GROUP: usize = 4;
/// Samples up to which each is multiplied for itself, and where slices of groups of 2 of 4 would
/// be decoded.
const COLUMNS: usize = 3;
const COLUMNS_OF_GROUPS: usize = 15;

impl Product<'_> {
    /// `Y = W·X`, X `[k, batch]`, Y `[n, batch]`.
    pub(super) fn features(&self, x: ArrayView2<'_, f32>, mut y: ArrayViewMut2<'_, f32>) {
        if y.is_empty() {
            return;
        }
        if let (1, Some(x), Some(y)) = (x.ncols(), x.as_slice(), y.as_slice_mut()) {
            return self.column(x, y);
        }
        let batch = x.ncols();
        let width = self.level.width(batch);
        let columns = self.group() * width.columns;
        let groups = y.axis_chunks_iter_mut(Axis(1), columns).enumerate();
        let cut = uneven(groups.len());
        share(groups, self.threads(batch), |(group, y)| {
            let first = group * columns;
            let x = x.slice(s![.., first..first + y.ncols()]);
            let panels = Panels::of_features(x, width);
            self.windows(&panels, cut, y);
        });
    }

    /// `Y = X·Wᵀ`, X `[batch, k]`, Y `[batch, n]`.
    pub(super) fn samples(
        &self,
        x: ArrayView2<'_, f32>,
        mut y: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        if y.is_empty() {
            return Ok(());
        }
        if x.nrows() <= self.columns_alone() {
            for (x, mut y) in x.outer_iter().zip(y.outer_iter_mut()) {
                if let (Some(x), Some(y)) = (x.as_slice(), y.as_slice_mut()) {
                    self.column(x, y);
                }
            }
            return Ok(());
        }
        let batch = y.nrows();
        let width = self.level.width(batch);
        let rows = self.group() * width.columns;
        let groups = y.axis_chunks_iter_mut(Axis(0), rows).enumerate();
        let cut = uneven(groups.len());
        let fault = Mutex::new(Ok(()));
        share(groups, self.threads(batch), |(group, y)| {
            let first = group * rows;
            let x = x.slice(s![first..first + y.nrows(), ..]);
            if let Err(error) = self.samples_of_group(x, width, cut, y) {
                *fault.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
            }
        });
        fault.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn samples_of_group(
        &self,
        x: ArrayView2<'_, f32>,
        width: Width,
        parallel: bool,
        mut y: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let panels = Panels::of_samples(self.level.isa, x, width)?;
        let (batch, n) = y.dim();
        // Y feature by feature, in cut panels.
        let shape = (n, panels.columns());
        let mut turned = Buffer::take(shape.0 * shape.1);
        let to = ArrayViewMut2::from_shape(shape, turned.floats_mut()).map_err(Error::other)?;
        self.windows(&panels, parallel, to);
        let from = ArrayView2::from_shape(shape, turned.floats()).map_err(Error::other)?;
        let to = y.as_slice_mut().unwrap_or_default();
        transpose(self.level.isa, from.slice(s![.., ..batch]), to, n)
    }

    /// `y = W·x` for one column.
    fn column(&self, x: &[f32], y: &mut [f32]) {
        let windows = y.chunks_mut(WINDOW).enumerate();
        share(windows, self.threads(1), |(window, y)| {
            window_column(self, window, x, y);
        });
    }

    /// All rows of W, for a group of panels and its part of Y.
    fn windows(&self, panels: &Panels, parallel: bool, mut y: ArrayViewMut2<'_, f32>) {
        let columns = panels.columns();
        let windows = y.axis_chunks_iter_mut(Axis(0), WINDOW).enumerate();
        let threads = if parallel { self.threads(columns) } else { 1 };
        share(windows, threads, |(window, y)| {
            window_panels(self, window, panels, y);
        });
    }

    /// Samples up to which each is multiplied for itself.
    fn columns_alone(&self) -> usize {
        match self.w.form {
            Form::TwoOfFour { .. } => COLUMNS_OF_GROUPS,
            _ => COLUMNS,
        }
    }

    /// Panels whose tiles follow each other for each slice.
    fn group(&self) -> usize {
        match (&self.w.form, &self.w.values) {
            (Form::Csr { .. }, Stored::F32(_)) => 1,
            _ => DECODED_GROUP,
        }
    }

    fn threads(&self, batch: usize) -> usize {
        let stored = match &self.w.values {
            Stored::F32(v) => v.len(),
            Stored::I8(v) => v.len(),
        };
        match self.threads.share(stored.saturating_mul(batch)) {
            true => rayon::current_num_threads(),
            false => 1,
        }
    }
}

/// Whether so many groups leave a thread without work at the end, so that windows are shared too.
fn uneven(groups: usize) -> bool {
    groups < 8 && !groups.is_multiple_of(2)
}

/// Runs the tasks on the calling thread, whether it belongs to the pool or not, and on others of
/// the pool, up to `threads` in all.
fn share<T>(
    tasks: impl ExactSizeIterator<Item = T> + Send,
    threads: usize,
    run: impl Fn(T) + Sync,
) {
    let threads = threads.min(tasks.len());
    if threads <= 1 {
        return tasks.for_each(run);
    }
    let queue = Mutex::new(tasks);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(task) = next() {
            run(task);
        }
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| work());
        }
        work();
    });
}
