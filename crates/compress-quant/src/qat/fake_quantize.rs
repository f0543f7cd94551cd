//! Quantization-aware training (QAT) with fake quantization, as a training hook.

use std::sync::Arc;

use compress_core::codec::{Grid, Tensor, WeightCodec};
use compress_core::gradients::LiveSets;
use compress_core::hook::{Step, TrainHook, Training};
use compress_core::parameters::{self, Parameters};
use compress_core::tensor::{Role, volume};
use compress_core::{Error as CoreError, Result, structured};

use super::fitted::{check_restored, check_saved, check_shape, check_tensors};
use super::saturation::Saturation;
use crate::Error;
use crate::codecs::from_grid;
use crate::ptq::encode_each;
use crate::schemes::Scheme;

/// The parameters that a scheme is assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The parameter of this name.
    Name(&'a str),
    /// All parameters of this role.
    Role(Role),
}

/// What happens to the gradient of the quantized weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gradient {
    /// The straight-through estimator (STE): it is taken for the gradient of the full-precision
    /// weights.
    #[default]
    StraightThrough,
    /// The straight-through estimator (STE) with clipping: zero where the weight lies beyond the
    /// grid's range by more than half a step. So no weight drifts off where it has no effect.
    Clipped,
}

/// Whether grids follow the weights while these are trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refit {
    /// No: they stay as they were fitted at first.
    Never,
    /// Grids are fitted again every so many steps, until a fraction of the run is done. From then on
    /// they are frozen, so that training ends on the grids that are stored.
    Every {
        /// Steps from one fit to the next; at least 1.
        steps: usize,
        /// The fraction of the run after which grids are frozen, from 0 to 1.
        until: f64,
    },
}

impl Default for Refit {
    /// Every 100 steps, for the first half of the run.
    fn default() -> Self {
        Refit::Every {
            steps: 100,
            until: 0.5,
        }
    }
}

impl Refit {
    fn check(self) -> Result<()> {
        match self {
            Refit::Every { steps: 0, .. } => Err(CoreError::invalid(
                "steps from one fit of the grids to the next",
                0,
                "at least 1",
            )),
            Refit::Every { until, .. } if !(0.0..=1.0).contains(&until) => {
                let what = "fraction of the run until which grids are fitted";
                Err(CoreError::invalid(what, until, "from 0 to 1"))
            }
            _ => Ok(()),
        }
    }

    /// Whether grids are fitted again before this step.
    fn is_due(self, step: &Step) -> bool {
        match self {
            Refit::Never => false,
            Refit::Every { steps, until } => {
                let progress = step.step as f64 / step.total_steps.max(1) as f64;
                step.step > 0 && step.step.is_multiple_of(steps) && progress < until
            }
        }
    }
}

/// Quantization-aware training (QAT): trains a network whose weights will be quantized, as if they
/// already were.
///
/// Before each forward pass every weight is replaced by decode(encode(weight)). After the backward
/// pass the full-precision weights are put back, and the optimizer changes those. Grids are fitted to
/// the weights at first and, as [`Refit`] says, while these are trained.
/// [`crate::qat::LearnedStep`] learns the steps instead.
///
/// At the end of a run the weights stay replaced: the network in hand is the one that
/// [`FakeQuantize::to_tensors`] stores.
///
/// Weights that are exactly zero stay zero, unless a codebook has no level at zero. So pruning by a
/// mask works beside it, in either order of hooks. A pruning that lets weights learn behind its mask
/// (`Regrowth::Allowed` of `compress-prune`) must come first: after the backward pass hooks are called
/// in reverse order, and it puts those weights back onto what this hook has restored.
///
/// # References
/// - Bengio, Léonard, Courville, 1308.3432, section 4: the straight-through estimator (STE).
/// - Hubara et al., 1609.07061, equation 6: the gradient is zero where the weight saturates.
/// - Jacob et al., 1712.05877, section 3: training with simulated quantization.
pub struct FakeQuantize<'s> {
    tensors: Vec<Fitted<'s>>,
    gradient: Gradient,
    refit: Refit,
    swapped: bool,
}

/// One tensor with its codec.
struct Fitted<'s> {
    name: String,
    shape: Vec<usize>,
    scheme: &'s dyn Scheme,
    codec: Arc<dyn WeightCodec>,
    saturation: Saturation,
    /// The full-precision weights, while the model holds the quantized ones.
    shadow: Vec<f32>,
    /// Where the codec has no grid: what the quantized weights were decoded from. The codec would find
    /// other blocks for these than for the full-precision ones.
    stored: Option<Tensor>,
}

/// What a checkpoint holds of one tensor.
type Saved = (String, Vec<usize>, Option<Grid>);

impl<'s> FakeQuantize<'s> {
    /// Fits to each tensor of `model` the scheme of the first assignment that matches it. Tensors
    /// that none matches stay in full precision.
    ///
    /// # Errors
    /// Where an assignment takes no tensor, or a fit fails.
    ///
    /// ```
    /// use compress_core::tensor::Role;
    /// use compress_core::train::Fit;
    /// use compress_quant::qat::{FakeQuantize, Gradient, Target};
    /// use compress_quant::schemes::{Settings, by_name};
    ///
    /// // Any `Fit`: a network and the way to train it.
    /// let mut trainer =
    ///     compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 1));
    /// let data = compress_testing::blobs(64, 4, 3, 2);
    ///
    /// let eight = by_name("linear_affine", &Settings { bits: Some(8), ..Settings::default() })?;
    /// let four = by_name("linear_symmetric", &Settings::default())?;
    /// let assignments = [
    ///     (Target::Name("layers.1.weight"), eight.as_ref()),
    ///     (Target::Role(Role::Weight), four.as_ref()),
    /// ];
    /// let hook = FakeQuantize::fit(&trainer.network, &assignments)?;
    /// let mut hook = hook.with_gradient(Gradient::Clipped);
    /// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut hook])?;
    ///
    /// // The network is now the one that is stored.
    /// let tensors = hook.to_tensors(&trainer.network)?;
    /// assert_eq!(tensors[0].values()?, trainer.network.parameters[0].values());
    /// # Ok::<(), compress_core::Error>(())
    /// ```
    pub fn fit(
        model: &(impl Parameters + ?Sized),
        assignments: &[(Target<'_>, &'s dyn Scheme)],
    ) -> Result<Self> {
        let mut used = vec![false; assignments.len()];
        let mut tensors = Vec::new();
        model.visit(&mut |tensor| {
            tensor.check()?;
            let matching = assignments.iter().position(|(target, _)| match target {
                Target::Name(name) => *name == tensor.name,
                Target::Role(role) => *role == tensor.role,
            });
            let Some(assignment) = matching else {
                return Ok(());
            };
            used[assignment] = true;
            let scheme = assignments[assignment].1;
            let codec = scheme.fit(tensor.name, tensor.values, tensor.shape)?;
            tracing::debug!(tensor = tensor.name, scheme = scheme.name(), "fitted");
            tensors.push(Fitted::new(tensor.name, tensor.shape, scheme, codec.into()));
            Ok(())
        })?;
        if let Some(unused) = used.iter().position(|used| !used) {
            let (target, scheme) = &assignments[unused];
            return Err(Error::Unmatched {
                target: match target {
                    Target::Name(name) => format!("the tensor {name:?}"),
                    Target::Role(role) => format!("the role {role:?}"),
                },
                scheme: scheme.name(),
                known: parameters::names(model)?.join(", "),
            }
            .into());
        }
        Ok(FakeQuantize {
            tensors,
            gradient: Gradient::default(),
            refit: Refit::default(),
            swapped: false,
        })
    }

    /// Sets what happens to the gradient.
    #[must_use]
    pub fn with_gradient(self, gradient: Gradient) -> Self {
        FakeQuantize { gradient, ..self }
    }

    /// Sets whether grids follow the weights.
    ///
    /// # Errors
    /// Where `refit` is every 0 steps, or until a fraction that is not from 0 to 1.
    pub fn with_refit(self, refit: Refit) -> Result<Self> {
        refit.check()?;
        Ok(FakeQuantize { refit, ..self })
    }

    /// The codec of a tensor; `None` where it stays in full precision.
    pub fn codec(&self, name: &str) -> Option<&dyn WeightCodec> {
        Some(self.find(name)?.codec.as_ref())
    }

    /// The model as it is to be stored: tensors with a codec as codes, the rest in full precision.
    ///
    /// # Errors
    /// Where the model is not the one that was fitted to, holds swapped weights between a forward
    /// pass and the end of its backward pass, or holds a NaN or an infinity.
    pub fn to_tensors(&self, model: &(impl Parameters + ?Sized)) -> Result<Vec<Tensor>> {
        check_restored(self.swapped)?;
        self.check(model)?;
        encode_each(model, &mut |tensor| {
            let fitted = self.find(tensor.name);
            fitted.map(|t| t.encode(tensor.values)).transpose()
        })
    }

    fn find(&self, name: &str) -> Option<&Fitted<'s>> {
        self.tensors.iter().find(|t| t.name == name)
    }

    /// Fails unless the model has the tensors that the codecs were fitted to.
    fn check<P: Parameters + ?Sized>(&self, model: &P) -> Result<()> {
        let fitted = self.tensors.iter();
        check_tensors(model, fitted.map(|t| (t.name.as_str(), t.shape.as_slice())))
    }

    /// Calls `act` with each fitted tensor and the model's values of it.
    fn each<P: Parameters + ?Sized>(
        &mut self,
        model: &mut P,
        mut act: impl FnMut(&mut Fitted<'s>, &mut [f32]) -> Result<()>,
    ) -> Result<()> {
        self.check(model)?;
        let tensors = &mut self.tensors;
        model.visit_mut(
            &mut |tensor| match tensors.iter_mut().find(|t| t.name == tensor.name) {
                Some(fitted) => act(fitted, tensor.values),
                None => Ok(()),
            },
        )
    }

    /// Puts the full-precision weights back, where the model holds quantized ones.
    fn restore<P: Parameters + ?Sized>(&mut self, model: &mut P) -> Result<()> {
        if !self.swapped {
            return Ok(());
        }
        self.each(model, |tensor, values| {
            values.copy_from_slice(&tensor.shadow);
            Ok(())
        })?;
        self.swapped = false;
        Ok(())
    }

    /// Swaps the quantized weights in. On an error the model holds the full-precision ones.
    fn swap_in<P: Parameters + ?Sized>(&mut self, model: &mut P) -> Result<()> {
        self.restore(model)?;
        // Shadows first: if a codec fails, all of them are whole.
        self.each(model, |tensor, values| {
            tensor.shadow.clear();
            tensor.shadow.extend_from_slice(values);
            Ok(())
        })?;
        self.swapped = true;
        let swapped = self.each(model, Fitted::quantize);
        if swapped.is_err() {
            self.restore(model)?;
        }
        swapped
    }
}

impl<'s> Fitted<'s> {
    fn new(
        name: &str,
        shape: &[usize],
        scheme: &'s dyn Scheme,
        codec: Arc<dyn WeightCodec>,
    ) -> Self {
        Fitted {
            name: name.to_owned(),
            shape: shape.to_vec(),
            scheme,
            saturation: Saturation::of(codec.grid(), shape),
            codec,
            shadow: Vec::with_capacity(volume(shape)),
            stored: None,
        }
    }

    /// Replaces full-precision weights by the quantized ones.
    fn quantize(&mut self, values: &mut [f32]) -> Result<()> {
        if self.codec.grid().is_some() {
            return self.codec.fake_quantize(values, &self.shape);
        }
        let stored = self.codec.encode(&self.name, values, &self.shape)?;
        values.copy_from_slice(&stored.values()?);
        self.stored = Some(stored);
        Ok(())
    }

    /// The tensor that holds `values`, or their codes.
    fn encode(&self, values: &[f32]) -> Result<Tensor> {
        let same = |stored: &[f32]| {
            stored
                .iter()
                .zip(values)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        };
        match &self.stored {
            // Unless they are full-precision weights, or something has changed the model since.
            Some(stored) if same(&stored.values()?) => Ok(stored.clone()),
            _ => self.codec.encode(&self.name, values, &self.shape),
        }
    }
}

impl TrainHook for FakeQuantize<'_> {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.restore(training.model)?;
        if self.refit.is_due(&training.step) {
            self.each(training.model, |tensor, values| {
                let codec = tensor.scheme.fit(&tensor.name, values, &tensor.shape)?;
                *tensor = Fitted::new(&tensor.name, &tensor.shape, tensor.scheme, codec.into());
                Ok(())
            })?;
        }
        self.swap_in(training.model)
    }

    /// Puts the full-precision weights back, and clips their gradient where asked to.
    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.restore(training.model)?;
        if self.gradient == Gradient::Clipped {
            training.model.visit_gradients(&mut |gradient| {
                if let Some(tensor) = self.find(gradient.name) {
                    tensor.saturation.clip(&tensor.shadow, gradient.values);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Swaps the quantized weights in, since these will be stored.
    fn before_evaluation(&mut self, model: &mut dyn Parameters, _: &LiveSets) -> Result<()> {
        self.swap_in(model)
    }

    /// Puts the full-precision weights back.
    fn after_evaluation(&mut self, model: &mut dyn Parameters) -> Result<()> {
        self.restore(model)
    }

    /// Leaves the quantized weights in the model, for good.
    fn finish(
        &mut self,
        model: &mut dyn Parameters,
        _: &LiveSets,
        _: usize,
        _: usize,
    ) -> Result<()> {
        self.restore(model)?;
        self.swap_in(model)?;
        self.swapped = false;
        Ok(())
    }

    /// The grids.
    fn save(&self) -> Result<Vec<u8>> {
        check_restored(self.swapped)?;
        let saved: Vec<Saved> = self
            .tensors
            .iter()
            .map(|t| (t.name.clone(), t.shape.clone(), t.codec.grid().cloned()))
            .collect();
        structured::to_bytes(&saved)
    }

    /// Takes over the grids of a hook that was fitted to the same tensors. On an error nothing is
    /// changed.
    fn load(&mut self, state: &[u8]) -> Result<()> {
        check_restored(self.swapped)?;
        let saved: Vec<Saved> = structured::from_all_bytes(state)?;
        CoreError::check_shape("saved grids", &[self.tensors.len()], &[saved.len()])?;
        let mut loaded = Vec::new();
        for (tensor, (name, shape, grid)) in self.tensors.iter().zip(saved) {
            check_saved(&tensor.name, &name)?;
            check_shape(&name, &tensor.shape, &shape)?;
            // Blocks are not fitted, so there is nothing to take over.
            let codec = match grid {
                Some(grid) => from_grid(&name, grid, &shape)?.into(),
                None if tensor.codec.grid().is_none() => Arc::clone(&tensor.codec),
                None => {
                    let what = format!("the saved grid of {name}");
                    let expected = "one to take over";
                    return Err(compress_core::Error::invalid(what, "none", expected));
                }
            };
            loaded.push(Fitted::new(&name, &shape, tensor.scheme, codec));
        }
        self.tensors = loaded;
        Ok(())
    }
}
