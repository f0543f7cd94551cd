//! The specification: for each output one chain of fused multiply-adds over what is stored of a
//! row, columns ascending. It is also what runs at the scalar level.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::epilogue::Epilogue;
use super::storage::Sparse;
use crate::isa::Isa;
use crate::kernels::levels::by_level;

/// `Y = W·X` with X `[k, batch]` and Y `[n, batch]`, both at any strides.
pub(super) fn multiply(
    w: &Sparse,
    x: ArrayView2<'_, f32>,
    epilogue: Epilogue<'_>,
    y: ArrayViewMut2<'_, f32>,
) {
    specification_at(Isa::Scalar, w, x, epilogue, y);
}

by_level! {
    /// Compiled with fused multiply-adds if the processor has them: elsewhere `mul_add` would call
    /// the C library for each element.
    fn specification_at(
        w: &Sparse,
        x: ArrayView2<'_, f32>,
        epilogue: Epilogue<'_>,
        y: ArrayViewMut2<'_, f32>,
    ) = specification;
}

#[inline(always)]
fn specification(
    w: &Sparse,
    x: ArrayView2<'_, f32>,
    epilogue: Epilogue<'_>,
    mut y: ArrayViewMut2<'_, f32>,
) {
    let mut entries = Vec::new();
    for (row, mut y) in y.outer_iter_mut().enumerate() {
        entries.clear();
        w.for_row(row, |column, value| entries.push((column, value)));
        let bias = epilogue.bias.map_or(0.0, |bias| bias[row]);
        let scale = w.scales.as_ref().map(|scales| scales[row]);
        y.fill(if scale.is_some() { 0.0 } else { bias });
        for &(column, value) in &entries {
            for (y, &x) in y.iter_mut().zip(x.row(column)) {
                *y = value.mul_add(x, *y);
            }
        }
        for y in y.iter_mut() {
            let sum = scale.map_or(*y, |scale| scale.mul_add(*y, bias));
            *y = if epilogue.relu && sum <= 0.0 {
                0.0
            } else {
                sum
            };
        }
    }
}
