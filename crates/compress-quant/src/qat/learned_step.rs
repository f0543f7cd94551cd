//! Learned step size quantization (LSQ), with a penalty on the bits of the codes.

use compress_core::codec::Tensor;
use compress_core::network::{Network, Parameter, Role};
use compress_core::ops::scalar::exp;
use compress_core::train::{Step, TrainHook};
use compress_core::{Error as CoreError, Result, structured};

use self::tensor::{BETAS, Learned, top};
use super::check_fitted;
use crate::Error;
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
/// Where weights are pruned ([`Parameter::live`]), a training step costs time for the live ones
/// alone. A live weight may be rounded to zero and become non-zero again later.
///
/// # Errors
/// Where the network is not the one that it was fitted to, or a step is no longer finite and
/// positive, as where the loss's gradient is NaN.
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
    /// Chooses the first step of every weight of `network` that has a value other than zero.
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
    /// let mut steps = LearnedStep::fit(trainer.network(), options)?;
    /// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut steps])?;
    /// let tensors = steps.to_tensors(trainer.network())?;
    /// # let _ = tensors;
    /// # Ok::<(), compress_core::Error>(())
    /// ```
    pub fn fit(network: &dyn Network, options: LearnedStepOptions) -> Result<Self> {
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
        for (index, parameter) in network.parameters().into_iter().enumerate() {
            if parameter.role() != Role::Weight {
                continue;
            }
            CoreError::check_finite(parameter.name(), parameter.values())?;
            if let Some(tensor) = Learned::new(index, parameter, top(bits)) {
                tensors.push(tensor);
            }
        }
        Ok(LearnedStep {
            options,
            tensors,
            powers: [1.0; 2],
            swapped: false,
        })
    }

    /// The step of the weight `name`; none for what is not quantized.
    pub fn step(&self, name: &str) -> Option<f32> {
        let tensor = self.tensors.iter().find(|t| t.name == name)?;
        Some(tensor.step())
    }

    /// Replaces the trained weights of `network` by their rounded values, for good. Rounding may
    /// leave neurons without effect. Once those are removed, [`LearnedStep::to_tensors`] stores
    /// the rest with the same codes.
    ///
    /// # Errors
    /// Where the network is not the one that it was fitted to, holds quantized values now, or has
    /// a weight that is NaN or infinite; it is then unchanged.
    pub fn round(&self, network: &mut dyn Network) -> Result<()> {
        if self.swapped {
            return Err(Error::Swapped.into());
        }
        let mut parameters = network.parameters_mut();
        self.check(&parameters)?;
        for tensor in &self.tensors {
            CoreError::check_finite(&tensor.name, parameters[tensor.index].values())?;
        }
        let top = top(self.options.bits);
        for tensor in &self.tensors {
            tensor.round(parameters[tensor.index].values_mut(), top);
        }
        Ok(())
    }

    /// The network with its weights as codes. Since the last training step, neurons and inputs may
    /// have been removed or reordered.
    ///
    /// # Errors
    /// Where the network lacks a tensor that a step was learned for, holds quantized values now,
    /// or has a weight that is NaN or infinite.
    pub fn to_tensors(&self, network: &dyn Network) -> Result<Vec<Tensor>> {
        if self.swapped {
            return Err(Error::Swapped.into());
        }
        for tensor in &self.tensors {
            network.parameter(&tensor.name)?;
        }
        encode_each(network, |parameter| {
            let tensor = self.tensors.iter().find(|t| t.name == parameter.name());
            let encoded = tensor.map(|t| t.encode(parameter, self.options.bits));
            Ok(encoded.transpose()?.map(Tensor::Quantized))
        })
    }

    /// The codes of a weight; an error for a weight without a learned step.
    pub(crate) fn codes(&self, weight: &Parameter) -> Result<Vec<i32>> {
        let known = self.tensors.iter().find(|t| t.name == weight.name());
        let known = known.ok_or_else(|| CoreError::invalid("a step", weight.name(), "learned"))?;
        Ok(known.encode(weight, self.options.bits)?.codes.to_vec())
    }

    /// The largest code.
    pub(crate) fn top(&self) -> i32 {
        top(self.options.bits) as i32
    }

    /// Fails while the network holds quantized weights.
    pub(crate) fn check_restored(&self) -> Result<()> {
        match self.swapped {
            true => Err(Error::Swapped.into()),
            false => Ok(()),
        }
    }

    fn check<P: std::borrow::Borrow<Parameter>>(&self, parameters: &[P]) -> Result<()> {
        for tensor in &self.tensors {
            check_fitted(parameters, tensor.index, &tensor.name, &tensor.shape)?;
        }
        Ok(())
    }

    fn swap_in(&mut self, network: &mut dyn Network) -> Result<()> {
        self.restore(network)?;
        let mut parameters = network.parameters_mut();
        self.check(&parameters)?;
        let top = top(self.options.bits);
        for tensor in &mut self.tensors {
            tensor.swap_in(parameters[tensor.index], top);
        }
        self.swapped = true;
        Ok(())
    }

    /// Puts the trained weights back, if quantized ones are in their place.
    ///
    /// # Errors
    /// Where the network is not the one that it was fitted to.
    pub fn restore(&mut self, network: &mut dyn Network) -> Result<()> {
        if !self.swapped {
            return Ok(());
        }
        let mut parameters = network.parameters_mut();
        self.check(&parameters)?;
        for tensor in &self.tensors {
            tensor.swap_out(parameters[tensor.index]);
        }
        self.swapped = false;
        Ok(())
    }
}

impl TrainHook for LearnedStep {
    fn before_forward(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        self.swap_in(network)
    }

    fn after_backward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        if !self.swapped {
            return Ok(());
        }
        self.restore(network)?;
        for (power, beta) in self.powers.iter_mut().zip(BETAS) {
            *power *= beta;
        }
        let rate = step.learning_rate * self.options.rate;
        let top = top(self.options.bits);
        let mut parameters = network.parameters_mut();
        for tensor in &mut self.tensors {
            let gradient = parameters[tensor.index].gradient_mut();
            let of_step = tensor.backward(gradient, top, self.options.penalty);
            tensor.update(of_step, rate, self.powers)?;
        }
        Ok(())
    }

    fn before_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        self.swap_in(network)
    }

    fn after_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        self.restore(network)
    }

    fn save(&self) -> Result<Vec<u8>> {
        if self.swapped {
            return Err(Error::Swapped.into());
        }
        let tensors = self.tensors.iter();
        let tensors = tensors.map(|t| (t.name.clone(), t.log_step, t.moments));
        let saved: Saved = (tensors.collect(), self.powers);
        structured::to_bytes(&saved)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        if self.swapped {
            return Err(Error::Swapped.into());
        }
        let (tensors, powers): Saved = structured::from_all_bytes(state)?;
        CoreError::check_shape("saved steps", &[self.tensors.len()], &[tensors.len()])?;
        CoreError::check_finite("powers of the saved steps", &powers)?;
        for (tensor, (name, log_step, moments)) in self.tensors.iter().zip(&tensors) {
            if tensor.name != *name {
                return Err(CoreError::invalid(
                    "a saved step's tensor",
                    name,
                    &tensor.name,
                ));
            }
            let step = exp(*log_step);
            if !(step.is_finite() && step > 0.0) {
                let what = format!("the saved step of {name}");
                return Err(CoreError::invalid(what, step, "positive and finite"));
            }
            CoreError::check_finite(name, moments)?;
        }
        for (tensor, (_, log_step, moments)) in self.tensors.iter_mut().zip(tensors) {
            (tensor.log_step, tensor.moments) = (log_step, moments);
        }
        self.powers = powers;
        Ok(())
    }
}
