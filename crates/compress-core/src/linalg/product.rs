//! The matrix product in f64, on `kernels/subtract_f64`.

use ndarray::{ArrayView2, ArrayViewMut2, s};
use rayon::prelude::*;

use crate::isa::Isa;
use crate::kernels::lines::LINE;
use crate::kernels::subtract_f64::{PANEL, subtract};
use crate::kernels::{Threads, memory};
use crate::{Error, Result};

/// Products that are added to an element before the next rows of B are packed.
const DEPTH: usize = 256;
/// Rows that a thread computes at a time: whole tiles of every level.
const STRIP: usize = 84;

/// `C -= A·B` in f64, with A `[m, k]`, B `[k, n]`, C `[m, n]` of any layout.
///
/// Each element is one chain of fused multiply-adds over k, ascending, that starts from the element
/// of C: the same bits at every level and thread count. Memory: a copy of C and of 256 columns of A
/// and rows of B.
///
/// # Errors
/// Where shapes disagree, the copies do not fit into memory, or `COMPRESS_ISA` asks for what the
/// machine lacks.
///
/// ```
/// use compress_core::linalg::subtract_product;
/// use ndarray::arr2;
///
/// let mut c = arr2(&[[10.0], [20.0]]);
/// let (a, b) = (arr2(&[[1.0, 2.0], [3.0, 4.0]]), arr2(&[[1.0], [3.0]]));
/// subtract_product(c.view_mut(), a.view(), b.view())?;
/// assert_eq!(c, arr2(&[[3.0], [5.0]]));
/// # Ok::<_, compress_core::Error>(())
/// ```
pub fn subtract_product(
    c: ArrayViewMut2<'_, f64>,
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
) -> Result<()> {
    subtract_product_at(Isa::active()?, c, a, b)
}

/// As [`subtract_product`], at a given level.
///
/// # Errors
/// As [`subtract_product`], and where the machine lacks the level.
pub fn subtract_product_at(
    isa: Isa,
    mut c: ArrayViewMut2<'_, f64>,
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
) -> Result<()> {
    isa.require("a matrix product in f64")?;
    let ((m, n), depth) = (c.dim(), a.ncols());
    Error::check_shape("A of a matrix product in f64", &[m, depth], a.shape())?;
    Error::check_shape("B of a matrix product in f64", &[depth, n], b.shape())?;
    if c.is_empty() || depth == 0 {
        return Ok(());
    }
    // A row holds some columns of A, then its row of C. An odd number of cache lines: rows at a
    // distance of a power of two would compete for the same lines of the first cache.
    let width = depth.min(DEPTH).next_multiple_of(PANEL);
    let columns = n.next_multiple_of(PANEL);
    let stride = width + columns + LINE / size_of::<f64>();
    let too_large = || memory::too_large("C of a matrix product in f64", &[m, n]);
    let rows = memory::zeros(memory::product([m, stride]));
    let mut rows: Vec<f64> = rows.ok_or_else(too_large)?;
    let panels = memory::zeros(memory::product([width, columns]));
    let mut panels: Vec<f64> = panels.ok_or_else(too_large)?;
    for (row, from) in rows.chunks_exact_mut(stride).zip(c.rows()) {
        copy(from, &mut row[width..width + n]);
    }
    for start in (0..depth).step_by(DEPTH) {
        let k = DEPTH.min(depth - start);
        let panels = &mut panels[..k * columns];
        pack(b.slice(s![start..start + k, ..]), panels);
        let a = a.slice(s![.., start..start + k]);
        let work = |index: usize, strip: &mut [f64]| {
            let from = a.slice(s![index * STRIP.., ..]);
            for (row, from) in strip.chunks_exact_mut(stride).zip(from.rows()) {
                copy(from, &mut row[..k]);
            }
            for (panel, to) in panels.chunks_exact(k * PANEL).zip((width..).step_by(PANEL)) {
                subtract(isa, strip, stride, 0..k, to, panel);
            }
        };
        if Threads::Pool.share(m.saturating_mul(n).saturating_mul(k)) {
            let strips = rows.par_chunks_mut(STRIP * stride).enumerate();
            strips.for_each(|(index, strip)| work(index, strip));
        } else {
            let strips = rows.chunks_mut(STRIP * stride).enumerate();
            strips.for_each(|(index, strip)| work(index, strip));
        }
    }
    for (row, mut to) in rows.chunks_exact(stride).zip(c.rows_mut()) {
        to.iter_mut()
            .zip(&row[width..])
            .for_each(|(to, &from)| *to = from);
    }
    Ok(())
}

fn copy(from: ndarray::ArrayView1<'_, f64>, to: &mut [f64]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}

/// Some rows of B as panels `[k, PANEL]` of its columns; columns that it lacks are zero.
fn pack(b: ArrayView2<'_, f64>, panels: &mut [f64]) {
    let (k, n) = b.dim();
    for (panel, first) in panels
        .chunks_exact_mut(k * PANEL)
        .zip((0..n).step_by(PANEL))
    {
        let columns = PANEL.min(n - first);
        let b = b.slice(s![.., first..first + columns]);
        for (to, from) in panel.chunks_exact_mut(PANEL).zip(b.rows()) {
            copy(from, &mut to[..columns]);
            to[columns..].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Numbers whose products need all bits of f64.
    fn matrix(rows: usize, columns: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((rows, columns), |(i, j)| {
            ((i * 7919 + j * 104_729 + seed * 31) % 10_007) as f64 / 10_007.0 - 0.5
        })
    }

    #[test]
    fn each_element_is_one_chain_at_every_level_and_layout() {
        for (m, k, n) in [
            (1, 1, 1),
            (3, 17, 16),
            (85, 256, 33),
            (170, 600, 15),
            (200, 257, 130),
        ] {
            let (a, b, c) = (matrix(m, k, 1), matrix(k, n, 2), matrix(m, n, 3));
            let expected = Array2::from_shape_fn((m, n), |(i, j)| {
                (0..k).fold(c[(i, j)], |sum, k| (-a[(i, k)]).mul_add(b[(k, j)], sum))
            });
            let transposed = [&a, &b].map(|x| x.t().as_standard_layout().into_owned());
            for isa in Isa::available() {
                let mut plain = c.clone();
                subtract_product_at(isa, plain.view_mut(), a.view(), b.view()).unwrap();
                assert_eq!(plain, expected, "{isa:?} {m}×{k}×{n}");
                let mut other = c.t().as_standard_layout().into_owned();
                let [a, b] = [&transposed[0], &transposed[1]].map(|x| x.t());
                subtract_product_at(isa, other.view_mut().reversed_axes(), a, b).unwrap();
                assert_eq!(other.t(), expected, "{isa:?} {m}×{k}×{n} transposed");
            }
        }
    }

    #[test]
    fn shapes_that_disagree_and_nothing_to_do() {
        let mut c = matrix(2, 3, 1);
        let before = c.clone();
        let (a, b) = (matrix(2, 4, 1), matrix(5, 3, 1));
        assert!(subtract_product(c.view_mut(), a.view(), b.view()).is_err());
        assert!(subtract_product(c.view_mut(), matrix(3, 5, 1).view(), b.view()).is_err());
        subtract_product(c.view_mut(), matrix(2, 0, 1).view(), matrix(0, 3, 1).view()).unwrap();
        assert_eq!(c, before);
        let mut none = Array2::zeros((0, 3));
        subtract_product(none.view_mut(), matrix(0, 5, 1).view(), b.view()).unwrap();
    }
}
