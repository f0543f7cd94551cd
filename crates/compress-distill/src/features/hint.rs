//! Hints (FitNets): what a layer gives, imitated.

use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2};

use super::arrays::{narrow, wide};
use super::{FeatureLoss, Regressor};

/// Half the squared distance between the teacher's features and the student's, which may go
/// through a learned [`Regressor`] r; averaged over the batch:
///
/// ```text
/// 1/2 · ‖t − r(s)‖²
/// ```
///
/// # Examples
///
/// The first stage of a FitNet: the loss alone trains the student up to the guided layer, since
/// the layers behind it have no gradient. The regressor takes part as a hook.
///
/// ```
/// use compress_core::train::Fit;
/// use compress_distill::features::{
///     FeatureDistillation, FeatureTeacher, Hint, Regressor, RegressorOptions,
/// };
///
/// let teacher = compress_testing::Chain::random(&[4, 16, 16, 3], 1);
/// let mut student = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 6, 6, 3], 2));
/// let data = compress_testing::blobs(64, 4, 3, 3);
///
/// let mut regressor = Regressor::new(6, 16, RegressorOptions::default())?;
/// let hint = Box::new(Hint::through(regressor.clone()));
/// let source = FeatureTeacher::OnTheFly(&teacher, "layers.0");
/// let loss = FeatureDistillation::new(hint, "layers.0", source);
/// let report = student.fit(&data, &loss, &mut [&mut regressor])?;
/// let last = report.epochs.last().unwrap().training_loss;
/// assert!(last < 0.5 * report.epochs[0].training_loss);
/// // The second stage trains the whole student, by `knowledge_distillation`.
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Romero et al. 2015, *FitNets: Hints for Thin Deep Nets* (1412.6550), section 2.2, equation 3;
/// section 2.3 for the stages.
#[derive(Clone, Default)]
pub struct Hint {
    regressor: Option<Regressor>,
}

impl Hint {
    /// Without a regressor: both are equally wide.
    pub fn new() -> Self {
        Hint::default()
    }

    /// Through a regressor. Give a clone of it to the training run as a hook: the hook learns it.
    pub fn through(regressor: Regressor) -> Self {
        let regressor = Some(regressor);
        Hint { regressor }
    }
}

impl FeatureLoss for Hint {
    fn evaluate(
        &self,
        student: ArrayView2<'_, f32>,
        teacher: ArrayView2<'_, f32>,
    ) -> Result<(f32, Array2<f32>)> {
        let Some(regressor) = &self.regressor else {
            let what = "the teacher's features (a regressor maps the student's to another width)";
            return distance(student, teacher, what);
        };
        let mapped = regressor.map(student)?;
        let what = "the teacher's features, as the regressor gives them";
        let (value, gradient) = distance(mapped.view(), teacher, what)?;
        Ok((value, regressor.backward(student, gradient.view())?))
    }
}

/// The loss and its gradient with respect to `found`.
fn distance(
    found: ArrayView2<'_, f32>,
    wanted: ArrayView2<'_, f32>,
    what: &str,
) -> Result<(f32, Array2<f32>)> {
    Error::check_shape(what, found.shape(), wanted.shape())?;
    let batch = found.nrows() as f64;
    let [found, wanted] = wide(found, wanted)?;
    let difference = found - wanted;
    let sum: f64 = difference.iter().map(|d| d * d).sum();
    narrow(0.5 * sum / batch, &(difference / batch))
}
