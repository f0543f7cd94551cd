//! Losses between features, as losses to train with.

use compress_core::train::{Batch, Loss, Value, given};
use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::{FeatureLoss, FeatureTeacher};

/// A [`FeatureLoss`] between a value of the student's graph, or its logits, and the features of a
/// teacher. It is complete: the gradient of whatever else the student gives is zero.
///
/// In training, a layer's value is what the next layer reads: after dropout. The teacher's is
/// without.
///
/// # Errors
/// Where the batch has a sample without cached features, the teacher does not show the value, and
/// those of the loss between features.
///
/// # Examples
/// ```
/// use compress_core::train::Fit;
/// use compress_distill::features::{
///     FeatureDistillation, FeatureTeacher, Similarity, teacher_features,
/// };
///
/// let teacher = compress_testing::Chain::random(&[4, 16, 3], 1);
/// let mut student = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 6, 3], 2));
/// let data = compress_testing::blobs(64, 4, 3, 3);
///
/// let features = FeatureTeacher::Cached(teacher_features(&teacher, "layers.0", &data)?);
/// let loss = FeatureDistillation::new(Box::new(Similarity), "layers.0", features);
/// let report = student.fit(&data, &loss, &mut [])?;
/// assert!(report.epochs[9].training_loss < report.epochs[0].training_loss);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Those of the losses, such as [`Hint`](super::Hint) and [`Similarity`](super::Similarity).
pub struct FeatureDistillation<'a> {
    loss: Box<dyn FeatureLoss + 'a>,
    /// The student's value; none for its logits.
    student: Option<String>,
    teacher: FeatureTeacher<'a>,
}

impl<'a> FeatureDistillation<'a> {
    /// Between the value of this name of the student's graph, such as `layers.0`, and `teacher`.
    pub fn new(
        loss: Box<dyn FeatureLoss + 'a>,
        student: impl Into<String>,
        teacher: FeatureTeacher<'a>,
    ) -> Self {
        let student = Some(student.into());
        FeatureDistillation {
            loss,
            student,
            teacher,
        }
    }

    /// Between the student's logits and `teacher`, such as the output of its last layer, or cached
    /// logits ([`crate::teacher_logits`]).
    pub fn of_logits(loss: Box<dyn FeatureLoss + 'a>, teacher: FeatureTeacher<'a>) -> Self {
        FeatureDistillation {
            loss,
            student: None,
            teacher,
        }
    }

    /// The loss of what the student gives for `batch`, and its gradient.
    fn of(&self, student: ArrayView2<'_, f32>, batch: &Batch<'_>) -> Result<(f32, Array2<f32>)> {
        self.loss
            .evaluate(student, self.teacher.features(batch)?.view())
    }
}

impl Loss for FeatureDistillation<'_> {
    fn reads_inputs(&self) -> bool {
        matches!(self.teacher, FeatureTeacher::OnTheFly(..))
    }

    fn is_cached(&self) -> bool {
        matches!(self.teacher, FeatureTeacher::Cached(_))
    }

    fn reads_values(&self) -> Vec<&str> {
        self.student.as_deref().into_iter().collect()
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.evaluate_with(logits, &mut [], batch, gradient)
    }

    fn evaluate_with(
        &self,
        logits: ArrayView2<'_, f32>,
        values: &mut [Value<'_>],
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        Error::check_shape("gradient of a loss", logits.shape(), gradient.shape())?;
        let Some(name) = &self.student else {
            let (loss, own) = self.of(logits, batch)?;
            gradient.assign(&own);
            return Ok(loss);
        };
        let [value] = given(values)?;
        let what = format!("gradient of {name}");
        Error::check_shape(&what, value.rows.shape(), value.gradient.shape())?;
        let (loss, own) = self.of(value.rows, batch)?;
        value.gradient.assign(&own);
        gradient.fill(0.0);
        Ok(loss)
    }
}
