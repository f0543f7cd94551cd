//! One weight, block by block of its columns.

use std::ops::Range;

use compress_core::linalg::{Damping, subtract_product};
use compress_core::tensor::{TensorRef, matrix_shape};
use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice, Zip};

use super::select::{Choice, Pattern};
use crate::inverse_hessian::InverseHessian;

/// A weight after [`crate::SparseGpt::prune_weight`].
#[derive(Clone, Debug, PartialEq)]
pub struct PrunedWeight {
    /// The values, row-major; +0 where they are pruned.
    pub values: Vec<f32>,
    /// True where a value stays, row-major.
    pub keep: Vec<bool>,
}

/// Prunes a weight with at least one value, which is finite, as is `gram` `[columns, columns]`.
pub(super) fn prune(
    weight: TensorRef<'_>,
    gram: ArrayView2<'_, f32>,
    pattern: Pattern,
    block: usize,
    damping: &Damping,
) -> Result<PrunedWeight> {
    let (rows, columns) = matrix_shape(weight.shape);
    let InverseHessian { live, upper } = InverseHessian::of(weight.name, gram, damping)?;
    let mut keep = Array2::from_elem((rows, columns), false);
    let mut weights = weight.matrix()?.mapv(f64::from);
    for (mut column, _) in weights
        .columns_mut()
        .into_iter()
        .zip(&live)
        .filter(|(_, live)| !**live)
    {
        column.fill(0.0);
    }
    match upper {
        Some(upper) => {
            let choice = pattern.among(&live, weights.view(), &upper.diag().to_vec());
            let block = pattern.block(block);
            for start in (0..columns).step_by(block) {
                let block = start..columns.min(start.saturating_add(block));
                let keep = keep.slice_axis_mut(Axis(1), Slice::from(block.clone()));
                prune_block(&choice, block, weights.view_mut(), upper.view(), keep)?;
            }
        }
        None if pattern.keeps_some() => {
            let what = format!("the inputs of {}", weight.name);
            let expected = "not zero in some column, so that a weight can stay";
            return Err(Error::invalid(what, "zero throughout", expected));
        }
        None => {}
    }
    let keep: Vec<bool> = keep.into_iter().collect();
    let kept = weights.iter().zip(&keep);
    let values: Vec<f32> = kept
        .map(|(&w, &keep)| if keep { w as f32 } else { 0.0 })
        .collect();
    Error::check_finite(weight.name, &values)?;
    Ok(PrunedWeight { values, keep })
}

/// Chooses what stays of the columns `block` of `weights`, writes that to `keep`, and brings the
/// columns behind up to date.
fn prune_block(
    choice: &Choice<'_>,
    block: Range<usize>,
    weights: ArrayViewMut2<'_, f64>,
    upper: ArrayView2<'_, f64>,
    mut keep: ArrayViewMut2<'_, bool>,
) -> Result<()> {
    let (_, behind) = weights.split_at(Axis(1), block.start);
    let (mut inside, behind) = behind.split_at(Axis(1), block.len());
    let upper = upper.slice_axis(Axis(0), Slice::from(block.clone()));
    let triangle = upper.slice_axis(Axis(1), Slice::from(block.clone()));
    let pivots = triangle.diag().to_vec();
    // What each pruned weight was, divided by its pivot: the paper's E.
    let mut errors = Array2::zeros(inside.dim());
    for group in choice.pattern().groups(block.clone()) {
        let columns = block.start + group.start..block.start + group.end;
        let candidates = inside.slice_axis(Axis(1), Slice::from(group.clone()));
        let chosen = choice.choose(columns, candidates, &pivots[group.clone()]);
        for (row, chosen) in chosen.chunks_exact(group.len()).enumerate() {
            for (j, &stays) in group.clone().zip(chosen) {
                keep[(row, j)] = stays;
                if stays {
                    continue;
                }
                let error = inside[(row, j)] / pivots[j];
                errors[(row, j)] = error;
                let from_here = Slice::from(j..);
                Zip::from(inside.row_mut(row).slice_axis_mut(Axis(0), from_here))
                    .and(triangle.row(j).slice_axis(Axis(0), from_here))
                    .for_each(|w, &u| *w -= error * u);
            }
        }
    }
    let ahead = upper.slice_axis(Axis(1), Slice::from(block.end..));
    subtract_product(behind, errors.view(), ahead)
}
