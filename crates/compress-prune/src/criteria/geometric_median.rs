//! How far each neuron lies from the others.

use compress_core::Result;
use compress_core::evidence::Evidence;
use compress_core::kernels::reduce::squared_norm;
use compress_core::mask::Criterion;
use compress_core::tensor::{TensorRef, matrix_shape};

use super::neurons::{for_each_weight, rows};

/// Scores a neuron (a row of a weight, a filter) by the sum of its Euclidean distances from all
/// other neurons of its tensor: Filter Pruning via Geometric Median (FPGM). A neuron near the
/// geometric median of all is the one that the others replace best. Each weight gets the score of
/// its neuron.
///
/// Takes a number of operations that grows with the square of the neurons. Differences are taken in
/// f32, sums in f64 in a fixed order. A score beyond the range of f32 counts as `f32::MAX`.
///
/// # References
/// He, Liu, Wang, Hu, Yang 2019 (1811.00250), equation 5.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeometricMedian;

impl Criterion for GeometricMedian {
    fn name(&self) -> &'static str {
        "geometric_median"
    }

    fn score(&self, weight: TensorRef<'_>, _: &Evidence<'_>) -> Result<Vec<f32>> {
        let rows: Vec<&[f32]> = rows(weight)?.collect();
        let inputs = matrix_shape(weight.shape).1;
        let mut sums = vec![0.0; rows.len()];
        let mut half = vec![0.0; inputs];
        for (i, row) in rows.iter().enumerate() {
            for (j, other) in rows[..i].iter().enumerate() {
                // Halves, since the difference of two large values may be beyond f32.
                for ((half, &a), &b) in half.iter_mut().zip(*row).zip(*other) {
                    *half = 0.5 * a - 0.5 * b;
                }
                let distance = 2.0 * squared_norm(&half)?.sqrt();
                sums[i] += distance;
                sums[j] += distance;
            }
        }
        Ok(for_each_weight(sums, inputs))
    }
}
