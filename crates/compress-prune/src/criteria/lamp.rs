//! Magnitude pruning that finds a density for each layer.

use compress_core::Result;
use compress_core::evidence::Evidence;
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

/// Scores a weight by its square over the sum of the squares in its tensor that are not smaller, its
/// own among them: layer-adaptive magnitude pruning (LAMP). Of equal magnitudes, those at earlier
/// positions count as larger, as structures keep the first of equal scores. The largest weight of each
/// tensor scores 1.
///
/// Within a tensor the order is that of [`crate::Magnitude`]. Between tensors the scores can be
/// compared, so [`crate::Global`] gives each layer a density of its own. Zeros score 0. Sums run in
/// f64 from the largest square down.
///
/// # References
/// Lee, Park, Mo, Ahn, Shin 2021 (2010.07611), section 3, for the score.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lamp;

impl Criterion for Lamp {
    fn name(&self) -> &'static str {
        "lamp"
    }

    fn score(&self, weight: TensorRef<'_>, _: &Evidence<'_>) -> Result<Vec<f32>> {
        weight.check_finite()?;
        let values = weight.values;
        let mut descending: Vec<usize> = (0..values.len()).collect();
        // Stable: equal magnitudes stay in the order of their positions.
        descending.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
        let mut scores = vec![0.0; values.len()];
        let mut sum = 0.0;
        for position in descending {
            let square = f64::from(values[position]) * f64::from(values[position]);
            sum += square;
            if square > 0.0 {
                scores[position] = (square / sum) as f32;
            }
        }
        Ok(scores)
    }
}
