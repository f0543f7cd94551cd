//! Relational knowledge distillation (RKD) of distances.

use compress_core::Result;
use ndarray::{Array2, ArrayView2};

use super::FeatureLoss;
use super::arrays::{narrow, wide};
use super::distances::{by_rows, huber, squared_distances};

/// The Huber loss between the distances of samples in student and teacher, each over the mean
/// distance of its batch; averaged over the pairs of different samples:
///
/// ```text
/// mean over i ≠ j of huber(ψ(s_i, s_j) − ψ(t_i, t_j))    ψ(x, y) = ‖x − y‖ / μ
/// μ = mean over i ≠ j of ‖x_i − x_j‖    huber(d) = d²/2 up to |d| = 1, then |d| − 1/2
/// ```
///
/// The widths of student and teacher may differ. A shift, a rotation or a scale of all features
/// changes nothing. It also works on logits. The paper sums over the pairs. The mean does not
/// grow with the batch.
///
/// Equal samples are at the distance 0, whose gradient counts as zero. Where all samples are equal,
/// ψ is 0 everywhere. A batch of one has no pairs: the loss and its gradient are 0.
///
/// # References
/// Park, Kim, Lu, Cho 2019, *Relational Knowledge Distillation* (1904.05068), section 3.2.1: the
/// distance-wise potential, its μ, the loss, and the Huber loss.
#[derive(Clone, Copy, Debug, Default)]
pub struct RkdDistance;

impl FeatureLoss for RkdDistance {
    fn evaluate(
        &self,
        student: ArrayView2<'_, f32>,
        teacher: ArrayView2<'_, f32>,
    ) -> Result<(f32, Array2<f32>)> {
        let [student, teacher] = wide(student, teacher)?;
        let batch = student.nrows();
        let pairs = (batch * (batch - 1)).max(1) as f64;
        let of = |x: &Array2<f64>| potentials(squared_distances(x), pairs);
        let ((found, mean), (wanted, _)) = (of(&student), of(&teacher));
        let losses = (&found - &wanted).mapv(huber);
        let value = losses.iter().map(|(loss, _)| loss).sum::<f64>() / pairs;
        let by_potential = losses.mapv(|(_, slope)| slope / pairs);
        // A larger distance also makes the mean larger, and so every ψ smaller.
        let spread: f64 = found
            .iter()
            .zip(&by_potential)
            .map(|(psi, g)| psi * g)
            .sum();
        let mut by_square = by_potential;
        by_square.zip_mut_with(&found, |g, &psi| {
            let by_distance = (*g - spread / pairs) / mean;
            let distance = psi * mean;
            // [i, j] and [j, i] are the same distance.
            *g = if distance > 0.0 {
                by_distance / distance
            } else {
                0.0
            };
        });
        narrow(value, &by_rows(&student, &by_square))
    }
}

/// Distances over their mean, and the mean.
fn potentials(squares: Array2<f64>, pairs: f64) -> (Array2<f64>, f64) {
    let distances = squares.mapv_into(f64::sqrt);
    let mean = distances.sum() / pairs;
    let scaled = distances.mapv_into(|d| if mean > 0.0 { d / mean } else { 0.0 });
    (scaled, mean)
}
