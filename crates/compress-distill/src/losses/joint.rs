//! Soft targets and hard labels at once.

use compress_core::Result as CoreResult;
use compress_core::train::{Batch, Loss};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::{HardLabels, SoftTargets};
use crate::error::check_soft_weight;
use crate::{Result, Teacher, Temperature};

/// w·[`SoftTargets`] + (1 − w)·[`HardLabels`]. Labels are needed only where w is below 1, the
/// teacher only where it is above 0.
///
/// # Errors
/// Those of [`SoftTargets`] and [`HardLabels`].
///
/// # References
/// Hinton, Vinyals, Dean 2015 (1503.02531), section 2, "a weighted average of two different
/// objective functions", the soft one scaled by T².
pub struct Joint<'a> {
    soft: SoftTargets<'a>,
    soft_weight: f32,
}

impl<'a> Joint<'a> {
    /// Weights the soft targets of `teacher` at `temperature` by `soft_weight`, and the labels by
    /// the rest.
    ///
    /// # Errors
    /// Where the temperature is not positive and finite, the weight is not from 0 to 1, or a
    /// cached logit is not finite.
    ///
    /// # Examples
    /// ```
    /// use compress_core::train::{Batch, Loss};
    /// use compress_distill::{HardLabels, Joint, SoftTargets, Teacher};
    /// use ndarray::array;
    ///
    /// let teacher = Teacher::Cached(array![[1.0, 2.0]]);
    /// let inputs = array![[0.0]];
    /// let batch = Batch { inputs: inputs.view(), labels: &[1], indices: &[0], epoch: 0 };
    /// let student = array![[3.0, 0.0]];
    /// let value = |loss: &dyn Loss| {
    ///     loss.evaluate(student.view(), &batch, array![[0.0, 0.0]].view_mut())
    /// };
    /// let soft = value(&SoftTargets::new(teacher.clone(), 4.0)?)?;
    /// let hard = value(&HardLabels)?;
    /// let joint = value(&Joint::new(teacher, 4.0, 0.25)?)?;
    /// assert!((joint - (0.25 * soft + 0.75 * hard)).abs() < 1e-6);
    /// # Ok::<(), compress_core::Error>(())
    /// ```
    pub fn new(
        teacher: Teacher<'a>,
        temperature: impl Into<Temperature>,
        soft_weight: f32,
    ) -> Result<Self> {
        check_soft_weight(soft_weight)?;
        Ok(Joint {
            soft: SoftTargets::new(teacher, temperature)?,
            soft_weight,
        })
    }
}

impl Loss for Joint<'_> {
    fn reads_inputs(&self) -> bool {
        self.soft_weight != 0.0 && self.soft.reads_inputs()
    }

    fn is_cached(&self) -> bool {
        self.soft_weight != 0.0 && self.soft.is_cached()
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> CoreResult<f32> {
        let weight = self.soft_weight;
        if weight == 0.0 {
            return HardLabels.evaluate(logits, batch, gradient);
        }
        let soft = self.soft.evaluate(logits, batch, gradient.view_mut())?;
        if weight == 1.0 {
            return Ok(soft);
        }
        let mut hard_gradient = Array2::zeros(logits.raw_dim());
        let hard = HardLabels.evaluate(logits, batch, hard_gradient.view_mut())?;
        let mix = |soft: f32, hard: f32| weight * soft + (1.0 - weight) * hard;
        gradient.zip_mut_with(&hard_gradient, |soft, &hard| *soft = mix(*soft, hard));
        Ok(mix(soft, hard))
    }
}
