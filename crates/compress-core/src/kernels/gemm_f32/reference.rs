//! The specification: for each element of C one chain of fused multiply-adds, k ascending.
//!
//! It is also what runs at the scalar level, compiled with fused multiply-adds if the processor has
//! them, since otherwise `mul_add` calls the C library for each element. The bits are the same.

use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::init::Init;
use super::pack::PackedB;
use super::tile::PANEL;
use crate::isa::Isa;
use crate::kernels::levels::by_level;

/// Rows of C that a thread computes at a time.
const TASK_ROWS: usize = 32;

by_level! {
    /// `C = init + A·B`; A is `[m, k]`, B `[k, n]`, C `[m, n]`. The rows of B and C are contiguous.
    fn specification_at(
        a: &ArrayView2<'_, f32>,
        b: &ArrayView2<'_, f32>,
        init: Init<'_>,
        c: ArrayViewMut2<'_, f32>,
    ) = specification;
}

#[inline(always)]
fn specification(
    a: &ArrayView2<'_, f32>,
    b: &ArrayView2<'_, f32>,
    init: Init<'_>,
    mut c: ArrayViewMut2<'_, f32>,
) {
    for (i, mut c) in c.outer_iter_mut().enumerate() {
        let c = c.as_slice_mut().expect("the rows of C are contiguous");
        match init {
            Init::Zero => c.fill(0.0),
            Init::Accumulate => {}
            Init::Bias(bias) => c.copy_from_slice(bias),
        }
        for k in 0..a.ncols() {
            let x = a[(i, k)];
            let b = b.row(k).to_slice().expect("the rows of B are contiguous");
            for (c, &b) in c.iter_mut().zip(b) {
                *c = x.mul_add(b, *c);
            }
        }
    }
}

/// The specification for any B, on the threads of the current pool.
pub(super) fn gemm(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    init: Init<'_>,
    mut c: ArrayViewMut2<'_, f32>,
) {
    if c.is_empty() {
        return;
    }
    let b = b.as_standard_layout();
    let mut rows: Vec<_> = c.axis_chunks_iter_mut(Axis(0), TASK_ROWS).collect();
    rows.par_iter_mut().enumerate().for_each(|(i, c)| {
        let first = i * TASK_ROWS;
        let a = a.slice(s![first..first + c.nrows(), ..]);
        specification_at(Isa::Scalar, &a, &b.view(), init, c.view_mut());
    });
}

/// The specification for a packed B, panel by panel.
pub(super) fn gemm_packed(
    a: ArrayView2<'_, f32>,
    b: &PackedB,
    init: Init<'_>,
    mut c: ArrayViewMut2<'_, f32>,
) {
    for (panel, c) in c.axis_chunks_iter_mut(Axis(1), PANEL).enumerate() {
        let cols = panel * PANEL..panel * PANEL + c.ncols();
        let init = match init {
            Init::Bias(bias) => Init::Bias(&bias[cols]),
            init => init,
        };
        let b = ArrayView2::from_shape((a.ncols(), PANEL), b.panel(panel, 0..a.ncols()))
            .expect("a panel has a row for each column of A");
        let b = b.slice(s![.., ..c.ncols()]);
        specification_at(Isa::Scalar, &a, &b, init, c);
    }
}
