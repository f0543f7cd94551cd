//! Dynamic sparse training: a mask whose weights move while its density stays.

use std::f64::consts::PI;

use compress_core::evidence::{Known, PerValue};
use compress_core::hook::{Gradients, Pruned, TrainHook, Training};
use compress_core::mask::Mask;
use compress_core::ops::trigonometry::cos;
use compress_core::structured::{from_all_bytes, to_bytes};
use compress_core::{Error as CoreError, Result as CoreResult, rng};

use super::moves::{Chosen, update};
use super::saved::{check_mask, damaged};
use crate::error::check_fraction;
use crate::{Error, Result};

/// Which dead weights grow in [`DynamicSparse`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Growth {
    /// RigL: those whose gradients are largest in magnitude. In the step before an update the
    /// model computes the gradients of all weights.
    ///
    /// # References
    /// Evci, Gale, Menick, Castro, Elsen 2020 (1911.11134), section 3 and algorithm 1.
    #[default]
    Rigl,
    /// SET (sparse evolutionary training): at random, from the stream `prune.set.` with the tensor's
    /// name.
    ///
    /// # References
    /// Mocanu, Mocanu, Stone, Nguyen, Gibescu, Liotta 2018 (1707.04780), algorithm 1. There the
    /// smallest positive and the largest negative weights are dropped, each by the same fraction, and
    /// what grows begins at small random values.
    Set {
        /// The seed of the random streams.
        seed: u64,
    },
}

/// How often and how far the connections change in [`DynamicSparse`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DynamicOptions {
    /// Which dead weights grow. Default: [`Growth::Rigl`].
    pub growth: Growth,
    /// The fraction of the live weights that the first updates drop: ζ of SET, α of RigL. It decays
    /// to 0 at `end` by half a cosine. Default: 0.3.
    pub drop: f64,
    /// Steps between two updates: ΔT of RigL. Default: 100.
    pub interval: usize,
    /// The fraction of the run's steps after which connections no longer change: T_end of RigL, as a
    /// fraction of the run. Default: 0.75.
    pub end: f64,
}

impl Default for DynamicOptions {
    fn default() -> Self {
        DynamicOptions {
            growth: Growth::Rigl,
            drop: 0.3,
            interval: 100,
            end: 0.75,
        }
    }
}

impl DynamicOptions {
    /// Fails on a setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_fraction("the fraction of live weights to drop", self.drop)?;
        if !(0.0..=1.0).contains(&self.end) || self.interval == 0 {
            let (end, interval) = (self.end, self.interval);
            return Err(Error::Updates { end, interval });
        }
        Ok(())
    }

    /// Whether connections change after `done` of `total` steps.
    fn is_due(&self, done: usize, total: usize) -> bool {
        done.is_multiple_of(self.interval) && (done as f64) / (total as f64) < self.end
    }

    /// The fraction of live weights to drop after `done` of `total` steps:
    /// drop/2 · (1 + cos(π · done / (end · total))).
    fn fraction(&self, done: usize, total: usize) -> f64 {
        let elapsed = (done as f64 / (self.end * total as f64)).min(1.0);
        0.5 * self.drop * (1.0 + cos(PI * elapsed))
    }
}

/// Dynamic sparse training: trains at one density from the start, and moves the live weights. Every
/// `interval` steps until `end` of the run, it drops the fraction ζ of each tensor's live weights with
/// the smallest magnitudes, and lets as many of the dead ones grow. So each tensor of the mask always
/// has as many live weights as at the start. Where RigL and SET differ, see [`Growth`].
///
/// The first mask is usually random: [`crate::Random`] scores, and a structure that gives each tensor
/// its density, such as [`crate::Erk`] or [`crate::Uniform`].
///
/// - An update follows the optimizer's step, from the values after it and the gradients of its
///   backward pass. (Algorithm 1 of RigL leaves that step out.) There is none in a run's first step.
/// - A weight that grows begins at zero. So do its moments in `compress-nn`, which forgets those of
///   dead weights: late in a run, Adam's first step of such a weight is (1 − β₁)/√(1 − β₂) = 3.2 times the
///   learning rate, since its bias correction counts the steps of the run. Another optimizer may keep
///   the momentum of a weight that died; it cannot move the weight before it grows, and decays.
/// - As in RigL, a weight that is dropped can be chosen to grow in the same update. It then stays as it
///   is.
///
/// # Errors
/// The run fails where a tensor of the mask is unknown to the model or has another shape, a live
/// weight is not finite, or RigL finds no finite gradient for a tensor.
///
/// # Examples
/// ```
/// use compress_core::evidence::Known;
/// use compress_core::mask::{Structure, score};
/// use compress_core::train::Fit;
/// use compress_prune::{DynamicOptions, DynamicSparse, PerLayer, Random};
///
/// // Any `Fit`: a model and the way to train it.
/// let mut trainer = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 16, 3], 1));
/// let data = compress_testing::blobs(64, 4, 3, 2);
///
/// let scores = score(&trainer.network, &Random { seed: 1 }, &Known::nothing())?;
/// let start = PerLayer.mask(&scores, 0.25)?;
/// let options = DynamicOptions { interval: 5, ..DynamicOptions::default() };
/// let mut rigl = DynamicSparse::new(start.clone(), options)?;
/// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut rigl])?;
/// assert_eq!(rigl.mask().density(), 0.25);
/// assert_ne!(rigl.mask(), &start);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Evci et al. 2020 (1911.11134), algorithm 1, and the cosine decay of section 3 (2);
/// Mocanu et al. 2018 (1707.04780), algorithm 1.
pub struct DynamicSparse {
    options: DynamicOptions,
    state: State,
    /// The gradients of the last backward pass before an update.
    known: Known,
}

/// The state that a checkpoint holds.
struct State {
    mask: Mask,
    /// How often connections have changed.
    updates: u64,
    /// Whether they are to change after the next step.
    is_next: bool,
}

impl DynamicSparse {
    /// Makes a hook whose first mask is `mask`.
    ///
    /// # Errors
    /// Where an option is out of range.
    pub fn new(mask: Mask, options: DynamicOptions) -> Result<Self> {
        options.validate()?;
        Ok(DynamicSparse {
            options,
            state: State {
                mask,
                updates: 0,
                is_next: false,
            },
            known: Known::nothing(),
        })
    }

    /// The present mask.
    pub fn mask(&self) -> &Mask {
        &self.state.mask
    }

    /// Drops the fraction `drop` of the live weights of each tensor, and grows as many.
    fn update(&mut self, model: &dyn Gradients, drop: f64) -> CoreResult<()> {
        let mut mask = self.state.mask.clone();
        model.visit(&mut |tensor| {
            let Some(found) = mask.tensors.iter_mut().find(|t| t.name == tensor.name) else {
                return Ok(());
            };
            let count = tensor.values.len();
            CoreError::check_shape(tensor.name, &[found.keep.len()], &[count])?;
            tensor.check_finite()?;
            let evidence = self.known.of(tensor.name);
            let chosen = match self.options.growth {
                Growth::Rigl => {
                    let kind = PerValue::Gradient;
                    Chosen::ByGradient(evidence.values(kind, "rigl", tensor.name, count)?)
                }
                Growth::Set { seed } => {
                    let name = format!("prune.set.{}", tensor.name);
                    Chosen::AtRandom(Box::new(rng::indexed(seed, &name, self.state.updates)))
                }
            };
            update(&mut found.keep, tensor.values, drop, chosen)
        })?;
        tracing::debug!(drop, kept = mask.kept(), total = mask.total(), "moved");
        self.state.mask = mask;
        // Wraps, since a damaged checkpoint can hold any number.
        self.state.updates = self.state.updates.wrapping_add(1);
        Ok(())
    }
}

impl TrainHook for DynamicSparse {
    fn after_backward(&mut self, training: &mut Training<'_>) -> CoreResult<()> {
        match self.needs_dead_gradients() {
            true => self.known.take_gradients(training.model),
            false => Ok(()),
        }
    }

    fn after_step(&mut self, training: &mut Training<'_>) -> CoreResult<()> {
        let (done, total) = (training.step.step + 1, training.step.total_steps);
        if self.state.is_next && self.options.is_due(done, total) {
            self.update(training.model, self.options.fraction(done, total))?;
            self.known = Known::nothing();
        }
        self.state.is_next = self.options.is_due(done + 1, total);
        Ok(())
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        Some(Pruned {
            mask: &self.state.mask,
            revision: self.state.updates,
        })
    }

    fn needs_dead_gradients(&self) -> bool {
        self.state.is_next && self.options.growth == Growth::Rigl
    }

    fn save(&self) -> CoreResult<Vec<u8>> {
        let State {
            mask,
            updates,
            is_next,
        } = &self.state;
        to_bytes(&(mask, updates, is_next))
    }

    fn load(&mut self, state: &[u8]) -> CoreResult<()> {
        const NAME: &str = "dynamic_sparse";
        let (mask, updates, is_next) = from_all_bytes(state).map_err(damaged(NAME))?;
        check_mask(NAME, &mask)?;
        self.state = State {
            mask,
            updates,
            is_next,
        };
        Ok(())
    }
}
