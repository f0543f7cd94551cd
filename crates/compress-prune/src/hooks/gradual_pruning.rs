//! Gradual pruning: a mask that tightens on a schedule while a model is trained.

use compress_core::evidence::{ByTensor, Known, Needs, PerValue};
use compress_core::gradients::LiveSets;
use compress_core::hook::{Gradients, Pruned, TrainHook, Training};
use compress_core::mask::{Criterion, Mask, Structure, check_fit, score};
use compress_core::parameters::Parameters;
use compress_core::structured::{from_all_bytes, to_bytes};
use compress_core::{Error as CoreError, Result as CoreResult};

use super::behind::{Shadow, restore, stash};
use super::saved::{check_mask, damaged};
use crate::error::check_densities;
use crate::schedule::Schedule;
use crate::tighten::tighten;
use crate::{Error, Result};

/// Whether a pruned weight may come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Regrowth {
    /// No. Pruned weights are held at zero and rank below every other, so weights only ever leave
    /// the mask.
    #[default]
    Never,
    /// Yes. Pruned weights are zero in the forward and the backward pass, but go on to learn
    /// behind the mask: each is put back for the optimizer's step, takes the gradient that its
    /// position got, and is ranked with all others. Costs a copy of the weights.
    ///
    /// With it [`GradualPruning`] is dynamic network surgery (DNS) on a schedule: weights are cut and
    /// spliced back, as many as the schedule says instead of by two thresholds.
    ///
    /// The mask is on wherever the model is looked at (in validation, after training, where a step has
    /// failed).
    ///
    /// # References
    /// Guo, Yao, Chen 2016 (1608.04493), equation 4, for the update of pruned weights.
    Allowed,
}

/// When and how far to prune.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradualOptions {
    /// The density at the beginning of the pruning period. Default: 1.
    pub initial: f64,
    /// The density at its end, not above the initial one. Default: 0.1.
    pub target: f64,
    /// The fraction of the run's steps after which pruning begins: t₀ of Zhu and Gupta as a fraction
    /// of the run. Default: 0.
    pub begin: f64,
    /// The fraction of the run's steps after which the final density is reached: their t₀ + n·Δt.
    /// Default: 0.8.
    pub end: f64,
    /// Steps between two prunings: their Δt. Default: 100.
    pub interval: usize,
    /// Whether a pruned weight may come back. Default: never.
    pub regrowth: Regrowth,
}

impl Default for GradualOptions {
    fn default() -> Self {
        GradualOptions {
            initial: 1.0,
            target: 0.1,
            begin: 0.0,
            end: 0.8,
            interval: 100,
            regrowth: Regrowth::Never,
        }
    }
}

impl GradualOptions {
    /// Fails on a setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_densities(self.initial, self.target)?;
        let within = 0.0 <= self.begin && self.begin <= self.end && self.end <= 1.0;
        if !within || self.interval == 0 {
            return Err(Error::Period {
                begin: self.begin,
                end: self.end,
                interval: self.interval,
            });
        }
        Ok(())
    }
}

/// Gradual pruning: prunes while training. Every `interval` steps from `begin` to `end` it scores
/// the weights again and masks as many as the schedule says. The mask stays on in between and
/// afterwards. The schedule and [`GradualOptions::regrowth`] say which method it is:
///
/// | method | schedule | pruned weights |
/// | --- | --- | --- |
/// | gradual pruning of Zhu and Gupta | [`crate::Cubic`] | never return |
/// | dynamic network surgery (DNS) of Guo et al., to a density | any | may return |
/// | iterative pruning of Han et al. | [`crate::Iterative`] | never return |
/// | pruning once, then fine-tuning | [`crate::OneShot`] | never return |
///
/// [`crate::DynamicSparse`] trains at one density from the start (RigL, SET); [`crate::MaskHook`]
/// holds a mask.
///
/// The final density is always reached, in the first step at or after `end` of the run. From then
/// on it stays: a further run, such as the second fit of a sequential distillation, holds the mask.
///
/// # Errors
/// The run fails in its first step where the criterion needs to know what neither
/// [`GradualPruning::with_known`] nor the run gives. It fails later where the criterion, the structure
/// or the model does; where a tensor would lose all of its weights at a density above 0
/// ([`Error::Collapse`]); and with [`Error::NotReached`] where it ends before the final density is
/// reached.
///
/// # Examples
/// ```
/// use compress_core::train::Fit;
/// use compress_prune::{Cubic, Global, GradualOptions, GradualPruning, Magnitude};
///
/// // Any `Fit`: a model and the way to train it.
/// let mut trainer = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 1));
/// let data = compress_testing::blobs(64, 4, 3, 2);
///
/// let options = GradualOptions { target: 0.25, interval: 5, ..GradualOptions::default() };
/// let mut pruning = GradualPruning::new(
///     Box::new(Magnitude),
///     Box::new(Global::default()),
///     Box::new(Cubic),
///     options,
/// )?;
/// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut pruning])?;
/// assert_eq!(pruning.mask().density(), 0.25);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Zhu and Gupta 2017 (1710.01878), section 3.
pub struct GradualPruning {
    criterion: Box<dyn Criterion>,
    structure: Box<dyn Structure>,
    schedule: Box<dyn Schedule>,
    options: GradualOptions,
    known: Known,
    state: State,
    /// Whether the model now has the values behind the mask.
    exposed: bool,
    /// Whether the criterion has what it needs.
    is_informed: bool,
}

/// The state that a checkpoint holds.
#[derive(Clone, Default)]
struct State {
    /// How often it has pruned.
    prunings: u64,
    /// Without tensors before the first pruning.
    mask: Mask,
    /// The density asked for so far.
    density: Option<f64>,
    /// Where regrowth is allowed: the weights as they would be without the mask, one vector for
    /// each tensor of the mask.
    shadow: Shadow,
    /// Where the criterion needs it: [`PerValue::Movement`] of all steps so far.
    movement: Known,
}

impl GradualPruning {
    /// Makes a hook of a criterion, a structure and a schedule.
    ///
    /// # Errors
    /// Where an option is out of range, or the schedule or the structure cannot reach the final
    /// density.
    pub fn new(
        criterion: Box<dyn Criterion>,
        structure: Box<dyn Structure>,
        schedule: Box<dyn Schedule>,
        options: GradualOptions,
    ) -> Result<Self> {
        options.validate()?;
        schedule.check(options.initial, options.target)?;
        structure.check_density(options.target)?;
        check_fit(&*criterion, &*structure)?;
        Ok(GradualPruning {
            criterion,
            structure,
            schedule,
            options,
            known: Known::nothing(),
            state: State::default(),
            exposed: false,
            is_informed: false,
        })
    }

    /// Gives the criterion what was found out about the model before the run, as by
    /// [`Known::by_observing`]. It stays as it is during the run, but gradients, second moments and
    /// movement are taken from the run itself.
    #[must_use]
    pub fn with_known(self, known: Known) -> Self {
        GradualPruning { known, ..self }
    }

    /// The present mask; without tensors before the first pruning.
    pub fn mask(&self) -> &Mask {
        &self.state.mask
    }

    /// The density that the schedule wants when `done` of `total` steps are done, where that is
    /// a step to prune at: every `interval` steps from the beginning of the period, and where it
    /// ends.
    fn due(&self, done: usize, total: usize) -> Option<f64> {
        let GradualOptions {
            initial,
            target,
            begin,
            end,
            interval,
            ..
        } = self.options;
        let progress = done as f64 / total as f64;
        if self.is_reached() {
            return None;
        }
        if progress >= end {
            return Some(target);
        }
        let since = done.checked_sub(first_step(begin, total))?;
        if !since.is_multiple_of(interval) {
            return None;
        }
        let elapsed = (progress - begin) / (end - begin);
        let density = self.schedule.density(initial, target, elapsed);
        let density = density.clamp(target, initial);
        // A resumed or second run starts from the density of the present mask.
        Some(self.state.density.map_or(density, |now| density.min(now)))
    }

    /// Finds out what the criterion needs to know of the run itself.
    fn learn(&mut self, model: &mut dyn Gradients) -> CoreResult<()> {
        let needs = self.criterion.needs();
        if needs.has(PerValue::SecondMoments) {
            self.known.take_second_moments(model)?;
        }
        if needs.has(PerValue::Gradient) {
            self.known.take_gradients(model)?;
        }
        if self.moves() {
            let kind = PerValue::Movement;
            self.known
                .set_values(kind, self.state.movement.values(kind));
        }
        Ok(())
    }

    /// Fails where the criterion lacks what it needs to know, long before the first pruning.
    fn check_informed(&mut self, model: &mut dyn Gradients) -> CoreResult<()> {
        if self.is_informed || self.is_reached() || self.criterion.needs() == Needs::default() {
            return Ok(());
        }
        self.is_informed = true;
        self.learn(model)?;
        // What else may fail now, may be well when it is time to prune.
        match score(model, self.criterion.as_ref(), &self.known) {
            Err(error @ CoreError::NoEvidence { .. }) => Err(error),
            _ => Ok(()),
        }
    }

    fn prune(&mut self, model: &mut dyn Gradients, density: f64) -> CoreResult<()> {
        self.learn(model)?;
        let scores = score(model, self.criterion.as_ref(), &self.known)?;
        let anything = Mask::default();
        let within = match self.options.regrowth {
            Regrowth::Never => &self.state.mask,
            Regrowth::Allowed => &anything,
        };
        let mask = tighten(scores, within, self.structure.as_ref(), density)?;
        tracing::debug!(density, kept = mask.kept(), total = mask.total(), "pruned");
        self.state.mask = mask;
        // Wraps, since a damaged checkpoint can hold any number.
        self.state.prunings = self.state.prunings.wrapping_add(1);
        self.state.density = Some(density);
        Ok(())
    }

    /// Whether the structure has been asked for the final density, or a lower one.
    fn is_reached(&self) -> bool {
        let target = self.options.target;
        self.state.density.is_some_and(|density| density <= target)
    }

    /// Whether pruned weights go on to learn behind the mask.
    fn regrows(&self) -> bool {
        self.options.regrowth == Regrowth::Allowed
    }

    /// Whether the criterion needs to know how training moves weights.
    fn moves(&self) -> bool {
        self.criterion.needs().has(PerValue::Movement)
    }

    /// Puts the mask on again where the model has the values behind it.
    fn cover(&mut self, model: &mut dyn Parameters) -> CoreResult<()> {
        if self.exposed {
            stash(&self.state.mask, model, &mut self.state.shadow)?;
            self.exposed = false;
        }
        Ok(())
    }
}

impl TrainHook for GradualPruning {
    fn after_backward(&mut self, training: &mut Training<'_>) -> CoreResult<()> {
        if self.regrows() {
            restore(&self.state.mask, training.model, &self.state.shadow)?;
            self.exposed = true;
        }
        // Weights that are dead for good are zero here, so their sums stay.
        if self.moves() {
            self.state.movement.add_movement(training.model)?;
        }
        Ok(())
    }

    fn after_step(&mut self, training: &mut Training<'_>) -> CoreResult<()> {
        let (done, total) = (training.step.step + 1, training.step.total_steps);
        match self.due(done, total) {
            Some(density) => self.prune(training.model, density)?,
            None => self.check_informed(training.model)?,
        }
        self.cover(training.model)
    }

    fn after_evaluation(&mut self, model: &mut dyn Parameters) -> CoreResult<()> {
        self.cover(model)
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        (!self.regrows()).then_some(Pruned {
            mask: &self.state.mask,
            revision: self.state.prunings,
        })
    }

    /// # Errors
    /// [`Error::NotReached`] where the run ended before the final density was reached.
    fn finish(
        &mut self,
        _: &mut dyn Parameters,
        _: &LiveSets,
        steps: usize,
        total_steps: usize,
    ) -> CoreResult<()> {
        match self.is_reached() {
            true => Ok(()),
            false => Err(Error::NotReached {
                reached: self.state.mask.density(),
                target: self.options.target,
                steps,
                total_steps,
            }
            .into()),
        }
    }

    fn save(&self) -> CoreResult<Vec<u8>> {
        let State {
            prunings,
            mask,
            density,
            shadow,
            movement,
        } = &self.state;
        let state = (prunings, mask, density, shadow);
        match self.moves() {
            true => to_bytes(&(state, movement.values(PerValue::Movement))),
            false => to_bytes(&state),
        }
    }

    fn load(&mut self, state: &[u8]) -> CoreResult<()> {
        const NAME: &str = "gradual_pruning";
        let read = match self.moves() {
            true => from_all_bytes(state),
            false => from_all_bytes(state).map(|state| (state, ByTensor::new())),
        };
        let ((prunings, mask, density, shadow), moved) = read.map_err(damaged(NAME))?;
        let mut movement = Known::nothing();
        movement.set_values(PerValue::Movement, moved);
        check_mask(NAME, &mask)?;
        self.state = State {
            prunings,
            mask,
            density,
            shadow,
            movement,
        };
        Ok(())
    }
}

/// The first number of steps that is at least the fraction `begin` of `total`.
fn first_step(begin: f64, total: usize) -> usize {
    // The product can be rounded across a whole number, which a quotient of two whole numbers that
    // made the fraction is not.
    let below = (begin * total as f64).floor() as usize;
    match below as f64 / total as f64 >= begin {
        true => below,
        false => below + 1,
    }
}
