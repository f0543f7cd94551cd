//! Attention transfer (AT): where a layer is active.

use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView2};

use super::FeatureLoss;
use super::arrays::{dot, narrow, rows, wide};

/// The distance between the attention maps of student and teacher, averaged over the batch:
///
/// ```text
/// 1/2 · ‖Q_S/‖Q_S‖ − Q_T/‖Q_T‖‖    Q: at each position, the sum over the channels of A²
/// ```
///
/// Features are channels of positions: feature c·positions + p is channel c at position p. Student and
/// teacher may have different channels, but must have the same positions. A dense layer has one
/// channel, and its neurons are the positions.
///
/// The norm is not squared, as in the paper; the authors' code takes the mean of the squares. A map
/// of zeros stays zero, and gives no gradient. Neither do maps that agree.
///
/// # References
/// Zagoruyko, Komodakis 2017, *Paying More Attention to Attention* (1612.03928), section 3.1: F²_sum
/// for the maps; equation 2 with p = 2 for one pair of layers and β = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionTransfer {
    student_channels: usize,
    teacher_channels: usize,
}

impl AttentionTransfer {
    /// For features of so many channels; 1 for dense layers.
    ///
    /// # Errors
    /// Where a number of channels is 0.
    pub fn new(student_channels: usize, teacher_channels: usize) -> crate::Result<Self> {
        for (what, channels) in [
            ("the student's channels", student_channels),
            ("the teacher's channels", teacher_channels),
        ] {
            if channels == 0 {
                return Err(Error::invalid(what, channels, "at least 1").into());
            }
        }
        Ok(AttentionTransfer {
            student_channels,
            teacher_channels,
        })
    }
}

impl FeatureLoss for AttentionTransfer {
    fn evaluate(
        &self,
        student: ArrayView2<'_, f32>,
        teacher: ArrayView2<'_, f32>,
    ) -> Result<(f32, Array2<f32>)> {
        let positions = positions("the student's features", student, self.student_channels)?;
        let wanted = [
            teacher.nrows(),
            self.teacher_channels.saturating_mul(positions),
        ];
        Error::check_shape("the teacher's features", &wanted, teacher.shape())?;
        let [student, teacher] = wide(student, teacher)?;
        let batch = student.nrows() as f64;
        let mut gradient = student.clone();
        let mut sum = 0.0;
        for (mut row, teacher) in gradient.rows_mut().into_iter().zip(rows(&teacher)) {
            let (found, norm) = map(row.as_slice().unwrap_or_default(), positions);
            let (wanted, _) = map(teacher, positions);
            let difference: Vec<f64> = found.iter().zip(&wanted).map(|(s, t)| s - t).collect();
            let distance = norm_of(&difference);
            sum += 0.5 * distance;
            // With respect to the student's map before it is normalized.
            let along = dot(&difference, &found);
            let by_map = difference.iter().zip(&found).map(|(d, s)| d - s * along);
            let scale = 0.5 / (batch * distance * norm);
            let counts = distance > 0.0 && norm > 0.0;
            let by_map: Vec<f64> = by_map
                .map(|g| if counts { scale * g } else { 0.0 })
                .collect();
            for mut channel in row.exact_chunks_mut(positions) {
                let of_map = ArrayView1::from(&by_map);
                channel.zip_mut_with(&of_map, |a, g| *a *= 2.0 * g);
            }
        }
        narrow(sum / batch, &gradient)
    }
}

/// How many positions the features have.
fn positions(what: &str, features: ArrayView2<'_, f32>, channels: usize) -> Result<usize> {
    let width = features.ncols();
    if width.is_multiple_of(channels) {
        return Ok(width / channels);
    }
    let what = format!("the width of {what}");
    Err(Error::invalid(
        what,
        width,
        format!("a multiple of the {channels} channels"),
    ))
}

/// The attention map over its norm, and the norm. A map of zeros stays as it is.
fn map(features: &[f64], positions: usize) -> (Vec<f64>, f64) {
    let mut map = vec![0.0; positions];
    for channel in features.chunks_exact(positions) {
        map.iter_mut().zip(channel).for_each(|(q, a)| *q += a * a);
    }
    let norm = norm_of(&map);
    if norm > 0.0 {
        map.iter_mut().for_each(|q| *q /= norm);
    }
    (map, norm)
}

fn norm_of(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}
