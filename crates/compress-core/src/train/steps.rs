//! Training that is driven from outside, one batch at a time.

use ndarray::{Array2, ArrayView2};

use super::{Fit, FitReport, Loss, Samples, TrainHook, check_samples};
use crate::Result;

/// A network whose training can be driven batch by batch, as where several learn together.
///
/// # Examples
///
/// Two networks, batch by batch in turn:
///
/// ```
/// use compress_core::train::{FitInSteps, Loss, Samples};
///
/// # fn example(
/// #     a: &mut dyn FitInSteps, b: &mut dyn FitInSteps, data: &dyn Samples, loss: &dyn Loss,
/// # ) -> compress_core::Result<()> {
/// let (mut no_hooks, mut none_either) = ([], []);
/// let mut a = a.begin(data, &loss.reads_values(), &mut no_hooks)?;
/// let mut b = b.begin(data, &loss.reads_values(), &mut none_either)?;
/// while let Some(next) = a.next_batch() {
///     let indices = next.indices.to_vec();
///     a.step(&indices, loss)?;
///     b.step(&indices, loss)?;
/// }
/// let reports = [a.finish()?, b.finish()?];
/// # Ok(())
/// # }
/// ```
pub trait FitInSteps: Fit {
    /// Begins a run on `data`. Its losses will read the values `values` of the model
    /// ([`Loss::reads_values`]).
    ///
    /// # Errors
    /// As [`Fit::fit`] before its first step.
    fn begin<'r, 'k: 'r>(
        &'r mut self,
        data: &'r dyn Samples,
        values: &[&str],
        hooks: &'r mut [&'k mut dyn TrainHook],
    ) -> Result<Box<dyn FitRun + 'r>>;
}

/// The samples of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextBatch<'a> {
    /// The epoch that they are read in, for [`Samples::fill`].
    pub epoch: u64,
    /// Their positions in the data.
    pub indices: &'a [usize],
}

/// A training run between two of its steps.
pub trait FitRun {
    /// How many steps are done.
    fn done(&self) -> usize;

    /// How many steps there will be, unless the run stops early.
    fn total_steps(&self) -> usize;

    /// The samples that the next step would take by itself; `None` where all steps are done or
    /// validation has ended the run.
    fn next_batch(&self) -> Option<NextBatch<'_>>;

    /// Takes one step on the samples `indices`; returns the loss. They are read in the epoch of
    /// [`FitRun::next_batch`]. The last step of an epoch also does what follows an epoch, such as a
    /// validation.
    ///
    /// # Errors
    /// Where no step is left, or there are more or fewer samples than in [`FitRun::next_batch`];
    /// those of the data, the loss and the hooks.
    fn step(&mut self, indices: &[usize], loss: &dyn Loss) -> Result<f32>;

    /// The logits `[batch, outputs]` of `inputs` `[batch, features]`, of the network as it would be
    /// shipped now: without dropout, and with what the hooks put in.
    ///
    /// # Errors
    /// Those of the network and the hooks.
    fn predict(&mut self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>>;

    /// Ends the run and leaves the network as it will be shipped.
    ///
    /// # Errors
    /// Where a hook has not reached what it promised.
    fn finish(self: Box<Self>) -> Result<FitReport>;
}

/// A whole run with one loss: for implementors of [`FitInSteps`], as their [`Fit::fit`].
///
/// # Errors
/// As [`Fit::fit`], and as [`check_samples`].
pub fn fit_in_steps(
    student: &mut dyn FitInSteps,
    data: &dyn Samples,
    loss: &dyn Loss,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<FitReport> {
    check_samples(loss, data)?;
    let mut run = student.begin(data, &loss.reads_values(), hooks)?;
    let mut indices = Vec::new();
    while let Some(next) = run.next_batch() {
        indices.clear();
        indices.extend_from_slice(next.indices);
        run.step(&indices, loss)?;
    }
    run.finish()
}
