//! The soft targets loss: the KL divergence of the student's softened probabilities from the
//! teacher's.

use compress_core::Result as CoreResult;
use compress_core::train::{Batch, Loss};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::checks::check_batch;
use super::forward_kl::divergence;
use super::teacher_loss::check_cached;
use super::{ForwardKl, TeacherLoss};
use crate::teacher::SoftLabels;
use crate::{Result, Teacher, Temperature};

/// The Kullback–Leibler (KL) divergence KL(p ‖ q) of the soft targets p of a teacher and a
/// student's probabilities q, at a temperature T; averaged over the batch, in nats, and multiplied
/// by T²:
///
/// ```text
/// T² · Σ p · (ln p − ln q)    p = softmax(teacher / T), q = softmax(student / T)
/// ```
///
/// Its gradient with respect to the student's logits is T·(q − p) / batch. Hinton et al. use the
/// cross-entropy, which has the same gradient and is larger by the teacher's entropy. The
/// divergence is zero exactly where student and teacher agree. The factor T² keeps the size of the
/// gradient when T changes.
///
/// # Errors
/// Where the batch has a sample without cached logits, teacher and student have different
/// outputs, a logit of the teacher is not finite, shapes differ, or the loss is not finite.
///
/// # References
/// Hinton, Vinyals, Dean 2015 (1503.02531), section 2, and equations 1 and 2.
pub struct SoftTargets<'a> {
    source: Source<'a>,
    temperature: Temperature,
}

/// Where the logits are known and the temperature is constant, their softmax is taken beforehand.
enum Source<'a> {
    Cached(SoftLabels),
    Asked(TeacherLoss<'a, ForwardKl>),
}

impl<'a> SoftTargets<'a> {
    /// Takes the soft targets of `teacher` at `temperature`, a number or a [`Temperature`].
    ///
    /// # Errors
    /// Where the temperature is not positive and finite, or a cached logit is not finite.
    ///
    /// # Examples
    /// ```
    /// use compress_core::train::{Batch, Loss};
    /// use compress_distill::{SoftTargets, Teacher};
    /// use ndarray::array;
    ///
    /// let logits = array![[1.0, 2.0, 0.0], [0.0, 5.0, 1.0]];
    /// let targets = SoftTargets::new(Teacher::Cached(logits.clone()), 4.0)?;
    ///
    /// // A batch of one, sample 1 of the data; a student that agrees with its teacher.
    /// let inputs = array![[0.0]];
    /// let batch = Batch { inputs: inputs.view(), labels: &[], indices: &[1], epoch: 0 };
    /// let student = array![[0.0, 5.0, 1.0]];
    /// let mut gradient = array![[9.0, 9.0, 9.0]];
    /// assert_eq!(targets.evaluate(student.view(), &batch, gradient.view_mut())?, 0.0);
    /// assert_eq!(gradient, array![[0.0, 0.0, 0.0]]);
    /// # Ok::<(), compress_core::Error>(())
    /// ```
    pub fn new(teacher: Teacher<'a>, temperature: impl Into<Temperature>) -> Result<Self> {
        let temperature = temperature.into();
        temperature.validate()?;
        let source = match (teacher, &temperature) {
            (Teacher::Cached(logits), Temperature::Constant(constant)) => {
                Source::Cached(SoftLabels::new(logits.view(), *constant)?)
            }
            (teacher, _) => {
                let temperature = temperature.clone();
                Source::Asked(TeacherLoss::new(teacher, ForwardKl { temperature })?)
            }
        };
        Ok(SoftTargets {
            source,
            temperature,
        })
    }

    /// The temperature in epoch 0, by which logits are divided.
    pub fn temperature(&self) -> f32 {
        self.temperature.at(0)
    }
}

impl Loss for SoftTargets<'_> {
    fn reads_inputs(&self) -> bool {
        match &self.source {
            Source::Cached(_) => false,
            Source::Asked(loss) => loss.reads_inputs(),
        }
    }

    fn is_cached(&self) -> bool {
        match &self.source {
            Source::Cached(_) => true,
            Source::Asked(loss) => loss.is_cached(),
        }
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> CoreResult<f32> {
        match &self.source {
            Source::Asked(loss) => loss.evaluate(logits, batch, gradient),
            Source::Cached(labels) => {
                check_batch(logits, &gradient)?;
                check_cached(batch.indices, logits.nrows(), labels.dim().0)?;
                let row = |row: usize| batch.indices[row];
                let temperature = self.temperature.at(batch.epoch);
                Ok(divergence(logits, temperature, labels, row, &mut gradient)?)
            }
        }
    }
}
