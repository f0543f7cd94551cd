//! How the error rises when one tensor alone is pruned.

use compress_core::mask::{Mask, Scores, Structure};
use compress_core::parameters::Parameters;
use compress_core::{Error as CoreError, Result as CoreResult};
use serde::{Deserialize, Serialize};

use super::masked::{Measure, alone, base_error, check, error_under, kept, originals};
use crate::Result;
use crate::error::check_fraction;

/// How the error of a model depends on the density of each of its tensors. It can be saved and read
/// with [`compress_core::structured`], or any other format of `serde`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// The error before pruning.
    pub base_error: f64,
    /// One entry for each scored tensor, in the order of the scores.
    pub tensors: Vec<TensorSensitivity>,
}

/// How the error depends on the density of one tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorSensitivity {
    /// The tensor's name.
    pub name: String,
    /// How many values it has.
    pub values: usize,
    /// The densities from the highest to the lowest.
    pub points: Vec<SensitivityPoint>,
}

/// A density and the error with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensitivityPoint {
    /// The density that was asked for, from 0 to 1.
    pub density: f64,
    /// The error; `None` where it was not finite.
    pub error: Option<f64>,
}

/// Sensitivity analysis: prunes each scored tensor alone to each of `densities`, measures the error,
/// and puts the tensor back bit by bit. `structure` is given the scores of that tensor alone, so
/// [`crate::Global`] and [`crate::PerLayer`] both rank the tensor's own values, and both refuse a density
/// above 0 that would leave the tensor without a weight.
///
/// Tensors without scores are left alone: take a tensor out of `scores` to keep it whole. `measure`
/// is called once for the model as it is, and once for each tensor and density at which a value goes.
/// See [`Measure`] for errors that are not finite. `densities` may stand in any order.
///
/// # Errors
/// Before the first measurement: where there are no densities or one is not from 0 to 1, where the
/// scores are none, cannot be ranked or do not fit the model, and where the structure cannot give a
/// tensor a density. Then where the error before pruning is not finite, and the errors of `measure` and
/// of the model.
///
/// # Examples
/// ```
/// use compress_core::evidence::Known;
/// use compress_core::mask::score;
/// use compress_core::observe::OnSamples;
/// use compress_prune::{Global, Magnitude, Recorded, relative_error, sensitivity};
///
/// let mut model = compress_testing::Chain::random(&[8, 16, 4], 1);
/// let data = compress_testing::blobs(64, 8, 4, 1);
/// let scores = score(&model, &Magnitude, &Known::nothing())?;
/// let output = "layers.1"; // of the last layer
/// let original = Recorded::of(&OnSamples::new(&model, &data), output)?;
/// let curves = sensitivity(
///     &mut model,
///     &scores,
///     &Global::default(),
///     &[0.2, 0.5, 0.8],
///     &mut |pruned| relative_error(&original, &OnSamples::new(pruned, &data), output),
/// )?;
/// assert_eq!(curves.base_error, 0.0);
/// for tensor in &curves.tensors {
///     println!("{} of {} values: {:?}", tensor.name, tensor.values, tensor.points);
/// }
/// # Ok::<(), compress_prune::Error>(())
/// ```
///
/// # References
/// Han, Pool, Tran, Dally 2015 (1506.02626), figure 6.
/// Li, Kadav, Durdanovic, Samet, Graf 2017 (1608.08710), section 3.2, "determining single layer's
/// sensitivity to pruning".
pub fn sensitivity<M: Parameters + ?Sized>(
    model: &mut M,
    scores: &Scores,
    structure: &dyn Structure,
    densities: &[f64],
    measure: &mut Measure<'_, M>,
) -> Result<Sensitivity> {
    let densities = falling(densities)?;
    check(model, scores)?;
    // What a tensor cannot have is known before the first measurement.
    for tensor in &scores.tensors {
        for &density in &densities {
            alone(structure, tensor, density)?;
        }
    }
    let base_error = base_error(model, measure)?;
    let mut tensors = Vec::with_capacity(scores.tensors.len());
    for tensor in &scores.tensors {
        let original = originals(model, std::slice::from_ref(tensor))?;
        let mut points = Vec::with_capacity(densities.len());
        for &density in &densities {
            let mask = alone(structure, tensor, density)?;
            let error = match kept(&mask) == tensor.values.len() {
                true => Some(base_error),
                false => {
                    let tensors = vec![mask];
                    error_under(&Mask { tensors }, model, &original, measure)?
                }
            };
            tracing::debug!(tensor = tensor.name, density, error, "pruned one tensor");
            points.push(SensitivityPoint { density, error });
        }
        tensors.push(TensorSensitivity {
            name: tensor.name.clone(),
            values: tensor.values.len(),
            points,
        });
    }
    Ok(Sensitivity {
        base_error,
        tensors,
    })
}

/// The densities from the highest to the lowest, each once.
fn falling(densities: &[f64]) -> Result<Vec<f64>> {
    if densities.is_empty() {
        let what = "the list of densities".into();
        return Err(CoreError::Empty { what }.into());
    }
    for &density in densities {
        check_fraction("a density", density)?;
    }
    let mut densities = densities.to_vec();
    densities.sort_by(|a, b| b.total_cmp(a));
    densities.dedup();
    Ok(densities)
}

impl Sensitivity {
    /// The densities of the tensor `name` from the highest to the lowest, each with the rise of the
    /// error above [`Sensitivity::base_error`] that is to be expected there. The rise is not negative,
    /// and never falls as the density falls: of all such curves it is nearest to what was measured, by
    /// squared distance. So noise does not make a density look better than a higher one. Points
    /// without a finite error are left out.
    ///
    /// # Errors
    /// Where there is no such tensor, or a density is not from 0 to 1.
    ///
    /// # References
    /// Ayer, Brunk, Ewing, Reid, Silverman 1955, *An empirical distribution function for sampling with
    /// incomplete information*: pool adjacent violators.
    pub fn rises(&self, name: &str) -> Result<Vec<(f64, f64)>> {
        let mut points = self.of(name)?.points.clone();
        for point in &points {
            check_fraction("a density of a sensitivity", point.density)?;
        }
        points.sort_by(|a, b| b.density.total_cmp(&a.density));
        let rise = |p: &SensitivityPoint| Some((p.density, p.error? - self.base_error));
        let rises = points.iter().filter_map(rise).filter(|r| r.1.is_finite());
        let (densities, rises): (Vec<f64>, Vec<f64>) = rises.unzip();
        let expected = not_falling(&rises).into_iter().map(|rise| rise.max(0.0));
        Ok(densities.into_iter().zip(expected).collect())
    }

    /// The entry of a tensor.
    pub(super) fn of(&self, name: &str) -> CoreResult<&TensorSensitivity> {
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.tensors.iter().map(|t| t.name.as_str()).collect();
            CoreError::UnknownTensor {
                name: name.to_owned(),
                known: known.join(", "),
            }
        })
    }
}

/// The sequence that never falls and is nearest to `values` by squared distance.
fn not_falling(values: &[f64]) -> Vec<f64> {
    // Runs of equal values: their sum and length.
    let mut runs: Vec<(f64, usize)> = Vec::with_capacity(values.len());
    for &value in values {
        let (mut sum, mut length) = (value, 1);
        while let Some(&(before, count)) = runs.last() {
            if before / (count as f64) < sum / length as f64 {
                break;
            }
            (sum, length) = (before + sum, count + length);
            runs.pop();
        }
        runs.push((sum, length));
    }
    let levels = runs.into_iter();
    levels
        .flat_map(|(sum, length)| std::iter::repeat_n(sum / length as f64, length))
        .collect()
}
