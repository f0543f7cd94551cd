//! Codes chosen one by one, each by what it is worth and what it costs.
//!
//! Training with fake quantization ends near good codes, not on the best ones: a gradient cannot
//! see the steps that it takes. [`refine()`] goes on from there by coordinate descent. It changes
//! one code at a time, and keeps what lowers `loss + penalty · bits`: the loss not estimated but
//! computed on all samples, the bits at the prices of the file's own coder. (What is unlikely to
//! lower it is discarded after some of the samples.) All other codes and the biases then make good
//! for it as their turn comes.

use compress_core::Error as CoreError;
use compress_core::Result;
use compress_core::coding::matrix::geometry::Images;
use compress_core::network::{Activation, Network, Role};
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
    /// What a bit costs, in units of the loss: cross-entropy in nats, averaged over the samples,
    /// times the square of the temperature.
    pub penalty: f32,
    /// What logits are divided by before the softmax; `targets` are to be of the same.
    pub temperature: f32,
    /// How often each code is looked at.
    pub sweeps: usize,
    /// The images that the first layer reads, where it reads any: places near others are cheap. A
    /// file's coder knows those that are square, and the pyramid of a
    /// [`compress_core::network::Front`].
    pub images: Option<Images>,
    /// Where given, biases become whole multiples of a step for each layer, and move by it: the
    /// power of √2, times the product of the weights' steps up to the layer, that is nearest to
    /// this share of the root mean square of what the layer gives. Once steps are folded
    /// ([`crate::folding::fold_steps`]) it is a power of √2 alone. The coarser it is, the fewer
    /// bits biases take, and weights make good for it.
    pub bias_grid: Option<f32>,
    /// The order in which codes are looked at follows from it.
    pub seed: u64,
}

impl Default for RefineOptions {
    /// Three sweeps, bits for free, a temperature of 1, no image, biases of any value.
    fn default() -> Self {
        RefineOptions {
            penalty: 0.0,
            temperature: 1.0,
            sweeps: 3,
            images: None,
            bias_grid: None,
            seed: 0,
        }
    }
}

/// What a sweep has done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sweep {
    /// The loss after it.
    pub loss: f64,
    /// Codes that went a step toward zero, and away from it.
    pub nearer: usize,
    /// See [`Sweep::nearer`].
    pub farther: usize,
    /// Moves of biases, which on a grid are looked at before the codes and after them.
    pub biases: usize,
    /// Weights that are not zero after it.
    pub nonzero: usize,
}

/// Changes the codes and biases of `network`, whose weights have `steps`, so that the
/// cross-entropy of its softmax against `targets`, plus the price of its bits, becomes smaller.
/// Weights that are zero stay so; others may become zero, and neurons may then be left without
/// effect. Weights are multiples of their steps afterwards.
///
/// `targets` `[indices.len(), classes]` are probabilities that sum to 1 for each sample, such as a
/// teacher's, for the samples `indices` of `data` as they are in epoch 0. `progress` is told how
/// much of how much is done, in codes to be looked at.
///
/// It takes `4 · indices.len()` bytes for each input of the first layer, each output of every layer
/// and each class, and for each code the time of a part of a forward pass over the samples: most
/// changes are discarded after a small part of them.
///
/// # Errors
/// Where the network is not one that `steps` were learned for or holds quantized values now, has
/// no layers or an activation behind its last, the samples or targets are none or of another
/// shape, targets are no probabilities, the penalty is negative, the temperature or the grid of
/// the biases is not positive, that grid would be out of the range of f32, the images have another
/// number of pixels or too many, or a value is not finite. The network is then as it was.
///
/// ```
/// use compress_core::network::Network;
/// use compress_core::ops::softmax::softmax;
/// use compress_core::train::Samples;
/// use compress_quant::qat::{LearnedStep, LearnedStepOptions};
/// use compress_quant::refine::{RefineOptions, refine};
/// use ndarray::Array2;
///
/// // Any network will do, such as `compress_nn::Mlp`. What a teacher, here itself in full
/// // precision, says of some samples:
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
///     &mut |_, _| {},
/// )?;
/// assert!(sweeps[2].loss <= sweeps[0].loss + 1e-3);
/// let artifact = steps.to_artifact(&network)?; // for a file, or `folding`
/// # let _ = artifact;
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
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Sweep>> {
    let rates = Rates::new(network, steps.top(), options)?;
    let mut chain = read(network, steps, check_temperature(options.temperature)?)?;
    let square = f64::from(options.temperature) * f64::from(options.temperature);
    let mut stream = rng::stream(options.seed, "refine");
    let mut pieces = Pieces::new(network, &chain, data, indices, targets, &mut stream)?;
    // Logits are finite, but what lies between them may not be.
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
    let mut parameters = network.parameters_mut();
    for (layer, pair) in chain.layers.iter().zip(parameters.chunks_mut(2)) {
        if let [weight, bias] = pair {
            weight.values_mut().copy_from_slice(&layer.weight());
            bias.values_mut().copy_from_slice(&layer.bias);
        }
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

/// The layers, their weights as codes; the logits are divided by the temperature.
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
        let (weight, bias) = (layer.weight_name(), layer.bias_name());
        let (weight, bias) = (network.parameter(&weight)?, network.parameter(&bias)?);
        let (outputs, inputs) = (layer.outputs, layer.inputs);
        CoreError::check_shape(weight.name(), &[outputs, inputs], weight.shape())?;
        CoreError::check_shape(bias.name(), &[outputs], bias.shape())?;
        for parameter in [weight, bias] {
            CoreError::check_finite(parameter.name(), parameter.values())?;
        }
        debug_assert_eq!(weight.role(), Role::Weight);
        let step = steps.step(weight.name());
        let codes = match step {
            Some(_) => steps.codes(weight)?,
            // Without a value other than zero, when steps were chosen and now.
            None if weight.values().iter().all(|w| *w == 0.0) => vec![0; weight.values().len()],
            None => {
                let what = format!("the step of {}", weight.name());
                let expected =
                    "learned, as not all of its weights are zero: fit steps to this network";
                return Err(CoreError::invalid(what, "missing", expected));
            }
        };
        let divisor = match index + 1 == architecture.layers.len() {
            true => temperature,
            false => 1.0,
        };
        let (step, bias) = (step.unwrap_or(1.0), bias.values().to_vec());
        chain.push(layer, codes, step, divisor, bias);
    }
    Ok(chain)
}

/// What goes from sweep to sweep.
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
        // Other samples are the first by which changes are discarded.
        self.pieces.shuffle(&mut self.stream);
        if self.bias_steps.are_of_a_grid() {
            // Rounded, they make good for each other before codes have to; later, by other samples
            // first.
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

    /// Moves each bias up or down, if the loss falls; how many did.
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
