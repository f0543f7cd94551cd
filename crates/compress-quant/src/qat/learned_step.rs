//! Learned step size quantization (LSQ), with a penalty on the bits of the codes.

use compress_core::codec::Tensor;
use compress_core::gradients::LiveSets;
use compress_core::hook::{TrainHook, Training};
use compress_core::ops::scalar::exp;
use compress_core::parameters::{self, Parameters};
use compress_core::tensor::{Role, TensorRef};
use compress_core::{Error as CoreError, Result, structured};

use self::tensor::{BETAS, Learned, check_step, top};
use super::fitted::{check_restored, check_saved, check_tensors};
use crate::ptq::encode_each;

mod tensor;

/// How steps are learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedStepOptions {
    /// Width of a code, 2 to 16: levels from −(2^(bits−1) − 1) to 2^(bits−1) − 1.
    pub bits: u8,
    /// The price of a bit of magnitude, in units of the loss. The penalty is
    /// `penalty · Σ log2(1 + |w| / step)`.
    pub penalty: f32,
    /// The learning rate of the steps, as a multiple of the weights' learning rate.
    pub rate: f32,
}

impl Default for LearnedStepOptions {
    /// Five bits, no penalty, the same learning rate as the weights.
    fn default() -> Self {
        LearnedStepOptions {
            bits: 5,
            penalty: 0.0,
            rate: 1.0,
        }
    }
}

/// Learned step size quantization (LSQ): quantization-aware training with one learned step (scale)
/// for each weight tensor. The forward pass sees `ŵ = step · clamp(round(w / step), −top, top)`.
/// The gradients use the straight-through estimator (STE):
///
/// ```text
/// of w:    g where |w / step| < top, else 0            g: the loss's gradient of ŵ
/// of step: Σ g · (round(w / step) − w / step) where |w / step| < top, else Σ g · (±top)
/// ```
///
/// The step's gradient is multiplied by `1 / √(n·top)`, where `n` counts the weights that are not
/// zero. Adam changes the logarithm of the step, so that the step stays positive. (Adam divides by
/// the size of a gradient, so the factor matters only where the gradient almost vanishes.) The
/// first step is the paper's `2·mean|w| / √top`.
///
/// The penalty `penalty · Σ log2(1 + |w| / step)` stands for the bits of the codes: an adaptive
/// unary code of small numbers spends about that many on a code of magnitude |w| / step. Its
/// gradients are added to those above.
///
/// Where weights are pruned, a training step costs time for the live ones alone. A live weight may
/// be rounded to zero and become non-zero again later.
///
/// At the end of a run the weights stay rounded: the network in hand is the one that
/// [`LearnedStep::to_tensors`] stores.
///
/// # Errors
/// The run fails where the model is not the one that it was fitted to, or a step is no longer positive
/// with finite levels, as where the loss's gradient is NaN.
///
/// # References
/// Esser, McKinstry, Bablani, Appuswamy, Modha 2020, *Learned step size quantization* (1902.08153):
/// equations 1 to 5, section 2.1 for the initial step and 2.2 for the factor. The penalty is a
/// proxy of the entropy that Wiedemann, Müller, Samek 2020 (1812.07520) minimise.
pub struct LearnedStep {
    options: LearnedStepOptions,
    tensors: Vec<Learned>,
    /// Steps taken, as β₁ᵗ and β₂ᵗ for Adam's bias correction.
    powers: [f32; 2],
    swapped: bool,
}

type Saved = (Vec<(String, f32, [f32; 2])>, [f32; 2]);

impl LearnedStep {
    /// Chooses the first step of every weight of `model` that has a value other than zero.
    ///
    /// # Errors
    /// Where an option is out of its range or a weight is not finite.
    ///
    /// # Examples
    /// ```
    /// use compress_core::train::Fit;
    /// use compress_quant::qat::{LearnedStep, LearnedStepOptions};
    ///
    /// // Any `Fit`: a network and the way to train it.
    /// let mut trainer =
    ///     compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 1));
    /// let data = compress_testing::blobs(64, 4, 3, 2);
    ///
    /// let options = LearnedStepOptions { bits: 3, ..LearnedStepOptions::default() };
    /// let mut steps = LearnedStep::fit(&trainer.network, options)?;
    /// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut steps])?;
    /// let tensors = steps.to_tensors(&trainer.network)?;
    /// assert_eq!(tensors[0].values()?, trainer.network.parameters[0].values());
    /// # Ok::<(), compress_core::Error>(())
    /// ```
    pub fn fit(model: &(impl Parameters + ?Sized), options: LearnedStepOptions) -> Result<Self> {
        let LearnedStepOptions {
            bits,
            penalty,
            rate,
        } = options;
        if !(2..=16).contains(&bits) {
            return Err(CoreError::invalid("bits", bits, "2 to 16"));
        }
        for (what, value) in [("penalty", penalty), ("rate", rate)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(CoreError::invalid(what, value, "finite and not negative"));
            }
        }
        let mut tensors = Vec::new();
        model.visit(&mut |tensor| {
            if tensor.role == Role::Weight {
                tensor.check_finite()?;
                tensors.extend(Learned::new(tensor, top(bits)));
            }
            Ok(())
        })?;
        Ok(LearnedStep {
            options,
            tensors,
            powers: [1.0; 2],
            swapped: false,
        })
    }

    /// The step of the weight `name`; none for what is not quantized.
    pub fn step(&self, name: &str) -> Option<f32> {
        Some(self.find(name)?.step())
    }

    /// Replaces the weights of `model` by their rounded values, for good, as the end of a training
    /// run does. Rounding may leave neurons without effect. Once those are removed,
    /// [`LearnedStep::to_tensors`] stores the rest with the same codes.
    ///
    /// # Errors
    /// Where the model is not the one that it was fitted to, holds quantized values now, or has a
    /// weight that is NaN or infinite; it is then unchanged.
    pub fn round(&self, model: &mut (impl Parameters + ?Sized)) -> Result<()> {
        self.check_restored()?;
        self.check(model)?;
        for tensor in &self.tensors {
            parameters::with(model, &tensor.name, |weight| weight.check_finite())?;
        }
        let top = top(self.options.bits);
        model.visit_mut(&mut |weight| {
            if let Some(tensor) = self.find(weight.name) {
                tensor.round(weight.values, top);
            }
            Ok(())
        })
    }

    /// The model with its weights as codes. Since the last training step, neurons and inputs may
    /// have been removed or reordered.
    ///
    /// # Errors
    /// Where the model lacks a tensor that a step was learned for, holds quantized values now, or
    /// has a weight that is NaN or infinite.
    pub fn to_tensors(&self, model: &(impl Parameters + ?Sized)) -> Result<Vec<Tensor>> {
        self.check_restored()?;
        for tensor in &self.tensors {
            parameters::with(model, &tensor.name, |_| Ok(()))?;
        }
        encode_each(model, &mut |tensor| {
            let encode = |t: &Learned| t.encode(tensor, self.options.bits);
            let encoded = self.find(tensor.name).map(encode).transpose()?;
            Ok(encoded.map(Tensor::Quantized))
        })
    }

    /// The step and the codes of a weight; none where no step was learned for it.
    pub(crate) fn codes(&self, weight: TensorRef<'_>) -> Result<Option<(f32, Vec<i32>)>> {
        let Some(tensor) = self.find(weight.name) else {
            return Ok(None);
        };
        let codes = tensor.encode(weight, self.options.bits)?.codes;
        Ok(Some((tensor.step(), codes.to_vec())))
    }

    /// The largest code.
    pub(crate) fn top(&self) -> i32 {
        top(self.options.bits) as i32
    }

    fn find(&self, name: &str) -> Option<&Learned> {
        self.tensors.iter().find(|t| t.name == name)
    }

    /// Fails while the model holds quantized weights.
    pub(crate) fn check_restored(&self) -> Result<()> {
        check_restored(self.swapped)
    }

    /// Fails unless the model has the weights that steps were learned for, in their shapes.
    fn check<P: Parameters + ?Sized>(&self, model: &P) -> Result<()> {
        let fitted = self.tensors.iter();
        check_tensors(model, fitted.map(|t| (t.name.as_str(), t.shape.as_slice())))
    }

    fn swap_in<P: Parameters + ?Sized>(&mut self, model: &mut P, live: &LiveSets) -> Result<()> {
        self.restore(model)?;
        self.check(model)?;
        let (top, tensors) = (top(self.options.bits), &mut self.tensors);
        model.visit_mut(&mut |weight| {
            if let Some(tensor) = tensors.iter_mut().find(|t| t.name == weight.name) {
                tensor.swap_in(weight.values, live.of(weight.name), top);
            }
            Ok(())
        })?;
        self.swapped = true;
        Ok(())
    }

    /// Puts the trained weights back, if quantized ones are in their place.
    fn restore<P: Parameters + ?Sized>(&mut self, model: &mut P) -> Result<()> {
        if !self.swapped {
            return Ok(());
        }
        self.check(model)?;
        model.visit_mut(&mut |weight| {
            if let Some(tensor) = self.find(weight.name) {
                tensor.swap_out(weight.values);
            }
            Ok(())
        })?;
        self.swapped = false;
        Ok(())
    }
}

impl TrainHook for LearnedStep {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.swap_in(training.model, training.live)
    }

    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.restore(training.model)?;
        for (power, beta) in self.powers.iter_mut().zip(BETAS) {
            *power *= beta;
        }
        let rate = training.step.learning_rate * self.options.rate;
        let (top, penalty, powers) = (top(self.options.bits), self.options.penalty, self.powers);
        let tensors = &mut self.tensors;
        training.model.visit_gradients(&mut |gradient| match tensors
            .iter_mut()
            .find(|t| t.name == gradient.name)
        {
            Some(tensor) => {
                let of_step = tensor.backward(gradient.values, top, penalty);
                tensor.update(of_step, rate, powers, top)
            }
            None => Ok(()),
        })
    }

    fn before_evaluation(&mut self, model: &mut dyn Parameters, live: &LiveSets) -> Result<()> {
        self.swap_in(model, live)
    }

    fn after_evaluation(&mut self, model: &mut dyn Parameters) -> Result<()> {
        self.restore(model)
    }

    /// Leaves the rounded weights in the model, for good.
    fn finish(
        &mut self,
        model: &mut dyn Parameters,
        _: &LiveSets,
        _: usize,
        _: usize,
    ) -> Result<()> {
        self.restore(model)?;
        self.round(model)
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.check_restored()?;
        let tensors = self.tensors.iter();
        let tensors = tensors.map(|t| (t.name.clone(), t.log_step, t.moments));
        let saved: Saved = (tensors.collect(), self.powers);
        structured::to_bytes(&saved)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.check_restored()?;
        let (tensors, powers): Saved = structured::from_all_bytes(state)?;
        CoreError::check_shape("saved steps", &[self.tensors.len()], &[tensors.len()])?;
        CoreError::check_finite("powers of the saved steps", &powers)?;
        for (tensor, (name, log_step, moments)) in self.tensors.iter().zip(&tensors) {
            check_saved(&tensor.name, name)?;
            let what = format!("the saved step of {name}");
            check_step(&what, exp(*log_step), top(self.options.bits))?;
            CoreError::check_finite(&what, moments)?;
        }
        for (tensor, (_, log_step, moments)) in self.tensors.iter_mut().zip(tensors) {
            (tensor.log_step, tensor.moments) = (log_step, moments);
        }
        self.powers = powers;
        Ok(())
    }
}
