//! Refines codes one by one, weighing what each change gains against what it costs in bits
//! (rate-distortion optimization).
//!
//! Training with fake quantization ends near good codes, not on the best ones, since a gradient
//! does not see single steps of a code. [`refine()`] continues by coordinate descent: it changes
//! one code at a time and keeps a change that lowers `loss + penalty · bits`. The loss is computed
//! on all samples, not estimated. The bits are priced by the file's own entropy coder (`coder`). A change
//! that is unlikely to help is discarded after some of the samples. All other codes and the biases
//! adapt when their turn comes.

use compress_core::Error as CoreError;
use compress_core::Result;
use compress_core::network::{Activation, Network};
use compress_core::parameters;
use compress_core::price::Prices;
use compress_core::rng::{self, Stream};
use compress_core::train::Samples;
use ndarray::ArrayView2;

use self::biases::BiasSteps;
use self::chain::{Chain, Place};
use self::pieces::Pieces;
use self::rates::Rates;
use crate::qat::LearnedStep;

mod biases;
mod chain;
mod pieces;
mod rates;

/// How codes are refined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefineOptions {
    /// The price of a bit in units of the loss. The loss is the cross-entropy in nats, averaged
    /// over the samples, times the square of the temperature.
    pub penalty: f32,
    /// The temperature: logits are divided by it before the softmax. `targets` must be made with
    /// the same one.
    pub temperature: f32,
    /// How many times each code is tried.
    pub sweeps: usize,
    /// If given, biases become multiples of one step for each layer, and move by that step. The
    /// step is the power of √2, times the product of the weights' steps up to the layer, that is
    /// nearest to this share of the root mean square of the layer's outputs. Once the weights'
    /// steps are folded ([`crate::folding::fold_steps`]) it is a power of √2 alone. A coarser grid
    /// takes fewer bits, and the weights compensate for it.
    pub bias_grid: Option<f32>,
    /// The seed of the order in which codes are tried.
    pub seed: u64,
}

impl Default for RefineOptions {
    /// Three sweeps, no penalty, a temperature of 1, biases of any value.
    fn default() -> Self {
        RefineOptions {
            penalty: 0.0,
            temperature: 1.0,
            sweeps: 3,
            bias_grid: None,
            seed: 0,
        }
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sweep {
    /// The loss after it.
    pub loss: f64,
    /// Codes that moved a step toward zero.
    pub nearer: usize,
    /// Codes that moved a step away from zero.
    pub farther: usize,
    /// Moves of biases. On a grid, biases are tried both before and after the codes.
    pub biases: usize,
    /// Weights that are not zero after it.
    pub nonzero: usize,
}

/// Changes the codes and biases of `network`, whose weights have the learned `steps`, so as to
/// lower the cross-entropy of its softmax against `targets` plus the price of its bits.
///
/// Zero weights stay zero. Other weights may become zero, and neurons may then be left without
/// effect. Afterwards all weights are multiples of their steps.
///
/// `targets` `[indices.len(), classes]` are probabilities that sum to 1 for each sample, such as a
/// teacher's soft targets, for the samples `indices` of `data` in epoch 0. `progress` is told how
/// many codes are done, and of how many.
///
/// Memory: `4 · indices.len()` bytes for each input of the first layer, each output of every layer
/// and each class. Time: for each code a part of a forward pass over the samples. Most changes are
/// discarded after a small part of them.
///
/// # Errors
/// Where the network is not one that `steps` were learned for, holds quantized values now, or has
/// no layers or an activation behind its last one; where there are no samples or targets, or they
/// have another shape; where targets are no probabilities; where the penalty is negative, or the
/// temperature or the grid of the biases is not positive, or that grid leaves the range of f32;
/// or where a value is not finite. The
/// network is then unchanged.
///
/// ```
/// use compress_core::network::Network;
/// use compress_core::ops::softmax::softmax;
/// use compress_core::train::Samples;
/// use compress_quant::qat::{LearnedStep, LearnedStepOptions};
/// use compress_quant::refine::{RefineOptions, refine};
/// use ndarray::Array2;
///
/// // Any network will do, such as `compress_nn::Mlp`. The targets are probabilities of a teacher,
/// // which here is the network itself in full precision.
/// let mut network = compress_testing::Chain::random(&[4, 8, 3], 1);
/// let data = compress_testing::blobs(64, 4, 3, 2);
/// let logits = network.forward(data.inputs())?;
/// let mut targets = Array2::zeros(logits.raw_dim());
/// softmax(logits.view(), 1.0, targets.view_mut())?;
///
/// let options = LearnedStepOptions { bits: 3, ..LearnedStepOptions::default() };
/// let steps = LearnedStep::fit(&network, options)?;
/// steps.round(&mut network)?;
/// let indices: Vec<usize> = (0..data.len()).collect();
/// let options = RefineOptions { penalty: 1e-4, ..RefineOptions::default() };
/// let sweeps = refine(
///     &mut network,
///     &steps,
///     &data,
///     &indices,
///     targets.view(),
///     &options,
///     &compress_format::CoderPrices::plain(),
///     &mut |_, _| {},
/// )?;
/// assert!(sweeps[2].loss <= sweeps[0].loss + 1e-3);
/// let tensors = steps.to_tensors(&network)?; // for a file, or `folding`
/// # let _ = tensors;
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Sullivan, Wiegand 1998, *Rate-distortion optimization for video compression*, IEEE Signal
/// Processing Magazine 15(6), equation 2; for the codes of networks with an arithmetic coder's
/// prices, though with a local estimate of the loss: Wiedemann et al. 2019 (1907.11900), equation
/// 11.
pub fn refine(
    network: &mut dyn Network,
    steps: &LearnedStep,
    data: &dyn Samples,
    indices: &[usize],
    targets: ArrayView2<'_, f32>,
    options: &RefineOptions,
    coder: &dyn Prices,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Sweep>> {
    let mut chain = read(network, steps, check_temperature(options.temperature)?)?;
    let rates = Rates::new(&chain, coder, steps.top(), options)?;
    let square = f64::from(options.temperature) * f64::from(options.temperature);
    let mut stream = rng::stream(options.seed, "refine");
    let mut pieces = Pieces::new(
        &network.architecture(),
        &chain,
        data,
        indices,
        targets,
        &mut stream,
    )?;
    // Logits are finite, but hidden outputs may not be.
    let loss = pieces.loss() as f32;
    if !loss.is_finite() {
        let expected =
            "finite: make the last layer's weights or biases smaller, or the temperature larger";
        return Err(CoreError::invalid(
            "the loss before refinement",
            loss,
            expected,
        ));
    }
    let bias_steps = BiasSteps::new(&mut chain, &mut pieces, options.bias_grid)?;
    let mut descent = Descent {
        bias_steps,
        stream,
        penalty: f64::from(options.penalty) / square,
        pieces,
    };
    let (all, mut sweeps) = (chain.nonzeros().len(), Vec::new());
    for number in 0..options.sweeps {
        // A later sweep has fewer codes to look at, and counts as much as the first.
        let mut report = |done: usize, of: usize| {
            progress(number * all + done * all / of, options.sweeps * all);
        };
        let mut sweep = descent.sweep(&mut chain, &rates, &mut report)?;
        sweep.loss *= square;
        tracing::debug!(number, ?sweep, "refined");
        sweeps.push(sweep);
    }
    for layer in &chain.layers {
        parameters::with_mut(network, &layer.name, |weight| {
            weight.values.copy_from_slice(&layer.weight());
            Ok(())
        })?;
        parameters::with_mut(network, &layer.bias_name, |bias| {
            bias.values.copy_from_slice(&layer.bias);
            Ok(())
        })?;
    }
    Ok(sweeps)
}

fn check_temperature(temperature: f32) -> Result<f32> {
    match temperature.is_finite() && temperature > 0.0 {
        true => Ok(temperature),
        false => Err(CoreError::invalid(
            "temperature",
            temperature,
            "positive and finite",
        )),
    }
}

/// Reads the layers, with their weights as codes. The logits are divided by the temperature.
fn read(network: &dyn Network, steps: &LearnedStep, temperature: f32) -> Result<Chain> {
    steps.check_restored()?;
    let architecture = network.architecture();
    architecture.validate()?;
    if let Some(last) = architecture.layers.last()
        && last.activation != Activation::Identity
    {
        let found = format!("{:?}", last.activation);
        return Err(CoreError::invalid("the last activation", found, "none"));
    }
    let mut chain = Chain::default();
    for (index, layer) in architecture.layers.iter().enumerate() {
        let (name, bias) = (layer.weight_name(), layer.bias_name());
        let step = steps.step(&name);
        let codes = parameters::with(network, &name, |weight| {
            weight.check_finite()?;
            CoreError::check_shape(&name, &[layer.outputs, layer.inputs], weight.shape)?;
            match step {
                Some(_) => steps.codes(weight),
                // All weights were zero when steps were chosen, and are zero now.
                None if weight.values.iter().all(|w| *w == 0.0) => Ok(vec![0; weight.values.len()]),
                None => {
                    let what = format!("the step of {name}");
                    let expected =
                        "learned, as not all of its weights are zero: fit steps to this network";
                    Err(CoreError::invalid(what, "missing", expected))
                }
            }
        })?;
        let bias = parameters::with(network, &bias, |bias| {
            bias.check_finite()?;
            CoreError::check_shape(bias.name, &[layer.outputs], bias.shape)?;
            Ok(bias.values.to_vec())
        })?;
        let divisor = match index + 1 == architecture.layers.len() {
            true => temperature,
            false => 1.0,
        };
        chain.push(layer, codes, step.unwrap_or(1.0), divisor, bias);
    }
    Ok(chain)
}

/// What is kept from sweep to sweep.
struct Descent {
    pieces: Pieces,
    bias_steps: BiasSteps,
    stream: Stream,
    penalty: f64,
}

impl Descent {
    fn sweep(
        &mut self,
        chain: &mut Chain,
        rates: &Rates,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Sweep> {
        let mut sweep = Sweep {
            loss: 0.0,
            nearer: 0,
            farther: 0,
            biases: 0,
            nonzero: 0,
        };
        let prices = rates.of(chain);
        // Reorders the samples, so that changes are first judged by other samples than before.
        self.pieces.shuffle(&mut self.stream);
        if self.bias_steps.are_of_a_grid() {
            // Rounded biases compensate for each other before codes have to. Later they are judged
            // by other samples first.
            sweep.biases += self.move_biases(chain)?;
        }
        let mut places = chain.nonzeros();
        rng::shuffle(&mut self.stream, &mut places);
        for (done, &place) in places.iter().enumerate() {
            let nearer = prices.nearer(chain, place);
            if self.accepts(chain, place, -1, self.penalty * nearer)? {
                sweep.nearer += 1;
            } else if let Some(more) = prices.farther(chain, place)
                && self.accepts(chain, place, 1, -self.penalty * more)?
            {
                sweep.farther += 1;
            }
            progress(done + 1, places.len());
        }
        sweep.biases += self.move_biases(chain)?;
        self.bias_steps.decay();
        sweep.loss = self.pieces.loss();
        sweep.nonzero = chain.nonzeros().len();
        Ok(sweep)
    }

    /// Changes a code by one away from zero (1) or toward it (−1), if the loss rises by less than
    /// `worth`.
    fn accepts(&mut self, chain: &mut Chain, place: Place, by: i32, worth: f64) -> Result<bool> {
        let change = chain.change(place, by);
        let Some(losses) = self.pieces.losses_if_worth(chain, change, worth)? else {
            return Ok(false);
        };
        self.pieces.apply(chain, change, &losses)?;
        chain.set(place, by);
        Ok(true)
    }

    /// Moves each bias up or down if that lowers the loss. Returns how many moved.
    fn move_biases(&mut self, chain: &mut Chain) -> Result<usize> {
        let mut moved = 0;
        for layer in 0..chain.layers.len() {
            for row in 0..chain.layers[layer].bias.len() {
                moved += usize::from(self.moves_bias(chain, layer, row)?);
            }
        }
        Ok(moved)
    }

    fn moves_bias(&mut self, chain: &mut Chain, layer: usize, row: usize) -> Result<bool> {
        let changes = self.bias_steps.up_and_down(chain, layer, row);
        for by in changes.into_iter().flatten() {
            let change = Chain::bias_change(layer, row, by);
            if let Some(losses) = self.pieces.losses_if_worth(chain, change, 0.0)? {
                self.pieces.apply(chain, change, &losses)?;
                chain.move_bias(layer, row, by);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
