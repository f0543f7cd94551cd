//! Relational knowledge distillation (RKD) of angles.

use compress_core::Result;
use ndarray::{Array2, ArrayView2};

use super::FeatureLoss;
use super::arrays::{narrow, wide};
use super::distances::{by_rows, huber, squared_distances};

/// The Huber loss between the angles that three samples form in student and teacher; averaged over
/// the triples of different samples:
///
/// ```text
/// mean over i, j, k of huber(cos ∠(s_i, s_j, s_k) − cos ∠(t_i, t_j, t_k))
/// huber(d) = d²/2 up to |d| = 1, then |d| − 1/2
/// ```
///
/// The angle is that at the middle sample. The widths of student and teacher may differ. A shift, a
/// rotation or a scale of all features changes nothing. It also works on logits. The paper sums
/// over the triples. The mean does not grow with the batch. The time grows with the third power
/// of the batch.
///
/// Where the middle sample equals another of the three, the cosine counts as 0, with no gradient. A
/// batch of one or two has no triples: the loss and its gradient are 0.
///
/// # References
/// Park, Kim, Lu, Cho 2019, *Relational Knowledge Distillation* (1904.05068), section 3.2.2: the
/// angle-wise potential and the loss; section 3.2.1 for the Huber loss.
#[derive(Clone, Copy, Debug, Default)]
pub struct RkdAngle;

impl FeatureLoss for RkdAngle {
    fn evaluate(
        &self,
        student: ArrayView2<'_, f32>,
        teacher: ArrayView2<'_, f32>,
    ) -> Result<(f32, Array2<f32>)> {
        let [student, teacher] = wide(student, teacher)?;
        let batch = student.nrows();
        let (found, wanted) = (Angles::new(&student), Angles::new(&teacher));
        let mut by_square = Array2::zeros((batch, batch));
        let (mut sum, mut triples) = (0.0, 0.0);
        for j in 0..batch {
            for i in (0..batch).filter(|&i| i != j) {
                for k in (0..i).filter(|&k| k != j) {
                    let cos = found.cosine(i, j, k);
                    let (loss, slope) = huber(cos - wanted.cosine(i, j, k));
                    sum += loss;
                    triples += 1.0;
                    found.add_gradient((i, j, k), cos, slope, &mut by_square);
                }
            }
        }
        let triples = f64::max(triples, 1.0);
        by_square /= triples;
        let by_square = &by_square + &by_square.t();
        narrow(sum / triples, &by_rows(&student, &by_square))
    }
}

/// The angles between samples, by the law of cosines from their distances.
struct Angles {
    squares: Array2<f64>,
    /// One over the distance; 0 where that is 0.
    inverses: Array2<f64>,
}

impl Angles {
    fn new(x: &Array2<f64>) -> Self {
        let squares = squared_distances(x);
        let inverses = squares.mapv(|d| if d > 0.0 { 1.0 / d.sqrt() } else { 0.0 });
        Angles { squares, inverses }
    }

    /// The cosine of the angle at sample `j` between `i` and `k`; 0 where there is none.
    fn cosine(&self, i: usize, j: usize, k: usize) -> f64 {
        let squares = &self.squares;
        let twice = squares[(i, j)] + squares[(k, j)] - squares[(i, k)];
        0.5 * twice * self.inverses[(i, j)] * self.inverses[(k, j)]
    }

    /// Adds the gradient of `slope` times [`Angles::cosine`] with respect to the squared distances.
    fn add_gradient(
        &self,
        (i, j, k): (usize, usize, usize),
        cos: f64,
        slope: f64,
        by_square: &mut Array2<f64>,
    ) {
        let (a, b) = (self.inverses[(i, j)], self.inverses[(k, j)]);
        if a * b == 0.0 {
            return;
        }
        let half = 0.5 * slope;
        by_square[(i, j)] += half * a * (b - cos * a);
        by_square[(k, j)] += half * b * (a - cos * b);
        by_square[(i, k)] -= half * a * b;
    }
}
