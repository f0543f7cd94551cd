//! The soft targets loss: the KL divergence of the student's softened probabilities from the
//! teacher's.

use compress_core::network::Network;
use compress_core::ops::{elementwise, softmax};
use compress_core::train::{Batch, Loss};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::checks::{check_batch, finite};
use crate::error::check_temperature;
use crate::teacher::SoftLabels;
use crate::{Ensemble, Error, Result, Teacher};

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
    temperature: f32,
}

/// A teacher. Where its logits are known, their softmax is taken beforehand.
enum Source<'a> {
    Cached(SoftLabels),
    OnTheFly(&'a dyn Network),
    Ensemble(Ensemble<'a>),
}

impl<'a> SoftTargets<'a> {
    /// Takes the soft targets of `teacher` at `temperature`.
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
    pub fn new(teacher: Teacher<'a>, temperature: f32) -> Result<Self> {
        check_temperature(temperature)?;
        let source = match teacher {
            Teacher::Cached(logits) => Source::Cached(SoftLabels::new(logits.view(), temperature)?),
            Teacher::OnTheFly(network) => Source::OnTheFly(network),
            Teacher::Ensemble(ensemble) => Source::Ensemble(ensemble),
        };
        Ok(SoftTargets {
            source,
            temperature,
        })
    }

    /// The temperature, by which logits are divided.
    pub fn temperature(&self) -> f32 {
        self.temperature
    }
}

impl Loss for SoftTargets<'_> {
    fn reads_inputs(&self) -> bool {
        !matches!(self.source, Source::Cached(_))
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> CoreResult<f32> {
        check_batch(logits, &gradient)?;
        let out = &mut gradient;
        match &self.source {
            Source::Cached(labels) => {
                check_cached(batch.indices, logits.nrows(), labels.dim().0)?;
                divergence(
                    logits,
                    self.temperature,
                    labels,
                    |row| batch.indices[row],
                    out,
                )
            }
            Source::OnTheFly(network) => {
                let teacher = network.forward(batch.inputs)?;
                on_the_fly(logits, self.temperature, teacher.view(), out)
            }
            Source::Ensemble(ensemble) => {
                let teacher = ensemble.logits(batch.inputs)?;
                on_the_fly(logits, self.temperature, teacher.view(), out)
            }
        }
    }
}

/// As [`divergence`], with the logits that the teacher gives for this batch.
fn on_the_fly(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    teacher: ArrayView2<'_, f32>,
    gradient: &mut ArrayViewMut2<'_, f32>,
) -> CoreResult<f32> {
    let labels = SoftLabels::new(teacher, temperature)?;
    let shape = [logits.nrows(), teacher.ncols()];
    CoreError::check_shape("the teacher's logits", &shape, teacher.shape())?;
    divergence(logits, temperature, &labels, |row| row, gradient)
}

/// Fails unless each row of the batch has cached labels.
fn check_cached(indices: &[usize], rows: usize, samples: usize) -> CoreResult<()> {
    CoreError::check_shape("indices of the batch", &[rows], &[indices.len()])?;
    match indices.iter().find(|&&index| index >= samples) {
        None => Ok(()),
        Some(&index) => Err(Error::NotCached { index, samples }.into()),
    }
}

/// The loss; its gradient goes into `gradient`. `target` gives the row of `labels` for a row of
/// `logits`.
fn divergence(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    labels: &SoftLabels,
    target: impl Fn(usize) -> usize,
    gradient: &mut ArrayViewMut2<'_, f32>,
) -> CoreResult<f32> {
    let (rows, classes) = logits.dim();
    let (_, teacher) = labels.dim();
    if teacher != classes {
        let student = classes;
        return Err(Error::Outputs { teacher, student }.into());
    }
    let scale = f64::from(temperature) * f64::from(temperature);
    softmax::log_softmax(logits, temperature, gradient.view_mut())?;
    let (p, ln_p) = labels.gather(rows, target)?;
    // Through slices, and only the sum in order: a student of few weights spends much of its step
    // here.
    let q = gradient.as_slice_mut().unwrap_or_default();
    let mut terms = vec![0.0; q.len()];
    for (((term, &p), &ln_p), &ln_q) in terms.iter_mut().zip(&p).zip(&ln_p).zip(q.iter()) {
        let cost = f64::from(p) * (f64::from(ln_p) - f64::from(ln_q));
        // A class of probability 0 costs nothing, though its logarithm may be −∞.
        *term = if p != 0.0 { cost } else { 0.0 };
    }
    let sum: f64 = terms.iter().sum();
    let value = finite(sum * scale / rows as f64)?;
    // The exponential of the same logarithms that the loss is made from. So a student that equals
    // its teacher gets a gradient of exactly zero.
    elementwise::exp(q)?;
    let factor = temperature / rows as f32;
    for (g, p) in q.iter_mut().zip(p) {
        *g = (*g - p) * factor;
    }
    // Rounding may take a value of about zero below zero.
    Ok(value.max(0.0))
}
