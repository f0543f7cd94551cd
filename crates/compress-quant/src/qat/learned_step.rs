//! Quantization whose steps are learned with the weights, and pay for the bits they cause.

use std::sync::Arc;

use compress_core::artifact::{Artifact, Tensor};
use compress_core::codec::{Granularity, Grid, QuantizedTensor};
use compress_core::kernels::sparse_layer::Live;
use compress_core::network::{Network, Parameter, Role};
use compress_core::ops::scalar::{exp, ln};
use compress_core::train::{Step, TrainHook};
use compress_core::{Error as CoreError, Result, structured};

use crate::Error;
use crate::ptq::assemble;

/// How steps are learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedStepOptions {
    /// Width of a code, 2 to 16: levels from −(2^(bits−1) − 1) to 2^(bits−1) − 1.
    pub bits: u8,
    /// What a bit of magnitude costs, in units of the loss: the penalty is
    /// `penalty · Σ log2(1 + |w| / step)`.
    pub penalty: f32,
    /// The steps' learning rate as a multiple of the weights'.
    pub rate: f32,
}

impl Default for LearnedStepOptions {
    /// Five bits, no penalty, the weights' learning rate.
    fn default() -> Self {
        LearnedStepOptions {
            bits: 5,
            penalty: 0.0,
            rate: 1.0,
        }
    }
}

/// Fake quantization with one learned step for each weight tensor: the forward pass sees
/// `ŵ = step · clamp(round(w / step), −top, top)`, and the gradients are
///
/// ```text
/// of w:    g where |w / step| < top, else 0            g: the loss's gradient of ŵ
/// of step: Σ g · (round(w / step) − w / step) where |w / step| < top, else Σ g · (±top)
/// ```
///
/// The step is changed by Adam on its logarithm, so that it stays positive and the paper's factor
/// for the size of its gradient changes nothing. It starts at the paper's `2·mean|w| / √top`.
///
/// The penalty `penalty · Σ log2(1 + |w| / step)` stands for the bits of the codes: a code of
/// magnitude m takes about as many in an adaptive unary code of small numbers. Its gradients of w
/// and of the step are added to those above.
///
/// Where weights are pruned ([`Parameter::live`]), every step costs time for the live ones alone.
/// A live weight may be rounded to zero, and come back.
///
/// # Errors
/// Where the network is not the one that it was fitted to.
///
/// # References
/// Esser, McKinstry, Bablani, Appuswamy, Modha 2020, *Learned step size quantization*
/// (1902.08153), equations 1 to 5 and section 2.1 for the initial step. The penalty is a proxy
/// of the entropy that Wiedemann, Müller, Samek 2020 (1812.07520) minimise.
pub struct LearnedStep {
    options: LearnedStepOptions,
    tensors: Vec<Learned>,
    /// Steps taken, for Adam's bias correction: β₁ᵗ and β₂ᵗ.
    powers: [f32; 2],
    swapped: bool,
}

struct Learned {
    index: usize,
    name: String,
    shape: Vec<usize>,
    /// The logarithm of the step, and Adam's moments of its gradient.
    log_step: f32,
    moments: [f32; 2],
    live: Option<Arc<Live>>,
    /// Of the weights that are worked on: the live ones, or all.
    positions: Vec<u32>,
    /// Their values while the network holds quantized ones.
    shadow: Vec<f32>,
}

type Saved = (Vec<(String, f32, [f32; 2])>, [f32; 2]);

const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-12;

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
    /// let mut trainer = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 1));
    /// let data = compress_testing::blobs(64, 4, 3, 2);
    ///
    /// let options = LearnedStepOptions { bits: 3, ..LearnedStepOptions::default() };
    /// let mut steps = LearnedStep::fit(trainer.network(), options)?;
    /// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut steps])?;
    /// let artifact = steps.to_artifact(trainer.network())?;
    /// # let _ = artifact;
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
        Some(exp(tensor.log_step))
    }

    /// The network with its weights as codes.
    ///
    /// # Errors
    /// Where the network is not the one that it was fitted to, or holds quantized values now.
    pub fn to_artifact(&self, network: &dyn Network) -> Result<Artifact> {
        if self.swapped {
            return Err(Error::Swapped.into());
        }
        self.check(&network.parameters())?;
        let top = top(self.options.bits);
        assemble(network, |parameter| {
            let tensor = self.tensors.iter().find(|t| t.name == parameter.name());
            Ok(tensor.map(|tensor| {
                let step = exp(tensor.log_step);
                let codes = parameter
                    .values()
                    .iter()
                    .map(|&w| code(w, step, top) as i32);
                Tensor::Quantized(QuantizedTensor {
                    name: tensor.name.clone(),
                    shape: tensor.shape.clone(),
                    grid: Grid::Linear {
                        bits: self.options.bits,
                        granularity: Granularity::Tensor,
                        scales: vec![step],
                        zero_points: Vec::new(),
                    },
                    codes: codes.collect(),
                })
            }))
        })
    }

    fn check<P: std::borrow::Borrow<Parameter>>(&self, parameters: &[P]) -> Result<()> {
        for tensor in &self.tensors {
            let found = parameters
                .get(tensor.index)
                .map(std::borrow::Borrow::borrow);
            if found.is_some_and(|p| p.name() == tensor.name && p.shape() == tensor.shape) {
                continue;
            }
            return Err(Error::NetworkChanged {
                name: tensor.name.clone(),
                fitted: tensor.shape.clone(),
                found: found.map_or_else(
                    || "no such parameter".into(),
                    |p| format!("{} of shape {:?}", p.name(), p.shape()),
                ),
            }
            .into());
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
            let values = parameters[tensor.index].values_mut();
            for (&position, &value) in tensor.positions.iter().zip(&tensor.shadow) {
                values[position as usize] = value;
            }
        }
        self.swapped = false;
        Ok(())
    }
}

impl Learned {
    fn new(index: usize, weight: &Parameter, top: f32) -> Option<Self> {
        let live = weight.values().iter().filter(|w| **w != 0.0);
        let (sum, count) = live.fold((0.0, 0.0), |(sum, count), w| {
            (sum + f64::from(w.abs()), count + 1.0)
        });
        let step = (2.0 * sum / count) as f32 / top.sqrt();
        // No value at all, or only the smallest ones that there are.
        step.is_normal().then(|| Learned {
            index,
            name: weight.name().to_owned(),
            shape: weight.shape().to_vec(),
            log_step: ln(step),
            moments: [0.0; 2],
            live: None,
            positions: Vec::new(),
            shadow: Vec::new(),
        })
    }

    /// Finds out which weights to work on.
    fn follow(&mut self, weight: &Parameter) {
        let same = match (&self.live, weight.live()) {
            (Some(known), Some(live)) => Arc::ptr_eq(known, live),
            (None, None) => self.positions.len() == weight.values().len(),
            _ => false,
        };
        if same {
            return;
        }
        self.live = weight.live().cloned();
        self.positions = match &self.live {
            Some(live) => live.positions().map(|p| p as u32).collect(),
            None => (0..weight.values().len() as u32).collect(),
        };
    }

    fn swap_in(&mut self, weight: &mut Parameter, top: f32) {
        self.follow(weight);
        let step = exp(self.log_step);
        let values = weight.values_mut();
        self.shadow.clear();
        for &position in &self.positions {
            let value = &mut values[position as usize];
            self.shadow.push(*value);
            *value = code(*value, step, top) * step;
        }
    }

    /// Turns the gradient of the quantized weights into that of the weights; returns that of the
    /// logarithm of the step.
    fn backward(&self, gradient: &mut [f32], top: f32, penalty: f32) -> f32 {
        let step = exp(self.log_step);
        let nats = penalty * std::f32::consts::LOG2_E;
        let mut of_step = 0.0;
        for (&position, &w) in self.positions.iter().zip(&self.shadow) {
            let g = &mut gradient[position as usize];
            let ratio = w / step;
            if ratio.abs() < top {
                of_step += *g * (ratio.round_ties_even() - ratio);
            } else {
                of_step += *g * top.copysign(ratio);
                *g = 0.0;
            }
            // d log2(1 + |w|/s)/d|w| = 1 / ln 2 / (s + |w|), and −|w|/s of it by s.
            let slope = nats / (step + w.abs());
            of_step -= slope * ratio.abs();
            if w != 0.0 {
                *g += slope.copysign(w);
            }
        }
        of_step * step
    }

    fn update(&mut self, gradient: f32, rate: f32, powers: [f32; 2]) {
        let [first, second] = &mut self.moments;
        *first += (1.0 - BETAS[0]) * (gradient - *first);
        *second += (1.0 - BETAS[1]) * (gradient * gradient - *second);
        let mean = *first / (1.0 - powers[0]);
        let size = (*second / (1.0 - powers[1])).sqrt();
        self.log_step -= rate * (mean / (size + EPSILON));
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
            tensor.update(of_step, rate, self.powers);
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
        let ((tensors, powers), length): (Saved, usize) = structured::from_bytes(state)?;
        if length != state.len() {
            return Err(CoreError::Format {
                offset: length,
                reason: "bytes after the saved steps".into(),
            });
        }
        CoreError::check_shape("saved steps", &[self.tensors.len()], &[tensors.len()])?;
        for (tensor, (name, log_step, _)) in self.tensors.iter().zip(&tensors) {
            if tensor.name != *name {
                return Err(CoreError::invalid(
                    "a saved step's tensor",
                    name,
                    &tensor.name,
                ));
            }
            CoreError::check_finite(name, &[*log_step])?;
        }
        for (tensor, (_, log_step, moments)) in self.tensors.iter_mut().zip(tensors) {
            (tensor.log_step, tensor.moments) = (log_step, moments);
        }
        self.powers = powers;
        Ok(())
    }
}

/// The largest code.
fn top(bits: u8) -> f32 {
    ((1_u32 << (bits - 1)) - 1) as f32
}

/// The code of a weight, which is a whole number.
fn code(weight: f32, step: f32, top: f32) -> f32 {
    (weight / step).round_ties_even().clamp(-top, top)
}
