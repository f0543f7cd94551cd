//! The specification: for each element of C one chain of fused multiply-adds, k ascending.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::Init;

/// `C = init + A·B`; A is `[m, k]`, B `[k, n]`, C `[m, n]`.
pub(super) fn gemm(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    init: Init<'_>,
    c: &mut ArrayViewMut2<'_, f32>,
) {
    for i in 0..c.nrows() {
        let mut row = c.row_mut(i);
        match init {
            Init::Zero => row.fill(0.0),
            Init::Accumulate => {}
            Init::Bias(bias) => row.iter_mut().zip(bias).for_each(|(c, b)| *c = *b),
        }
        for k in 0..a.ncols() {
            let x = a[(i, k)];
            for (c, &b) in row.iter_mut().zip(b.row(k)) {
                *c = x.mul_add(b, *c);
            }
        }
    }
}
