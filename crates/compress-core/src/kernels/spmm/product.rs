//! A product, and what its windows of rows need of it.

use super::dispatch::Level;
use super::epilogue::Epilogue;
use super::storage::Sparse;
use super::tile::Ends;
use crate::kernels::Threads;

/// A product whose shapes have been checked.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub level: Level,
    pub threads: Threads,
    pub w: &'a Sparse,
    pub epilogue: Epilogue<'a>,
}

impl Product<'_> {
    /// What the chains of some rows start from, and what is done with them at the end. `rows` are
    /// counted from `first`; where they go in Y is left open.
    pub(super) fn ends<'r, const ROWS: usize>(
        &self,
        first: usize,
        rows: &'r [u32],
    ) -> Ends<'r, ROWS> {
        let of_rows = |values: Option<&[f32]>| {
            let mut of_rows = [0.0; ROWS];
            if let Some(values) = values {
                for (value, &row) in of_rows.iter_mut().zip(rows) {
                    *value = values[first + row as usize];
                }
            }
            of_rows
        };
        let bias = of_rows(self.epilogue.bias);
        let (start, scaled) = match &self.w.scales {
            None => (bias, None),
            Some(scales) => ([0.0; ROWS], Some((of_rows(Some(scales)), bias))),
        };
        Ends {
            start,
            scaled,
            relu: self.epilogue.relu,
            rows,
            y: std::ptr::null_mut(),
            y_stride: 0,
        }
    }
}
