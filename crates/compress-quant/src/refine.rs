//! Refines codes one by one, weighing what each change gains against what it costs in bits
//! (rate-distortion optimization).
//!
//! Training with fake quantization ends near good codes, not on the best ones, since a gradient
//! does not see single steps of a code. [`refine()`] continues by coordinate descent: it changes
//! one code at a time and keeps a change that lowers `loss + penalty · bits`. The loss is computed
//! on all samples, not estimated. The bits are priced by the file's own entropy coder. A change that
//! is unlikely to help is discarded after some of the samples. All other codes and the biases adapt
//! when their turn comes.

use compress_core::Error as CoreError;
use compress_core::Result;
use compress_core::chain::{Activation, Architecture};
use compress_core::parameters::{self, Parameters};
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
mod options;
mod pieces;
mod rates;

pub use self::options::RefineOptions;

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

/// Changes the codes and biases of a chain of dense layers, whose weights have the learned `steps`,
/// so as to lower the cross-entropy of its softmax against `targets` plus the price of its bits.
/// `model` holds the tensors of `architecture`.
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
/// Where the model lacks a tensor of the architecture, has weights that no step was learned for, or
/// holds quantized values now; where the architecture has no layers or an activation behind its last
/// one; where there are no samples or targets, or they have another shape; where targets are no
/// probabilities; where the penalty is negative, or the temperature or the grid of the biases is not
/// positive, or that grid leaves the range of f32; or where a value is not finite. The model is then
/// unchanged.
///
/// ```
/// use compress_core::network::{Forward, Network};
/// use compress_core::ops::softmax::softmax;
/// use compress_core::train::Samples;
/// use compress_quant::qat::{LearnedStep, LearnedStepOptions};
/// use compress_quant::refine::{RefineOptions, refine};
/// use ndarray::Array2;
///
/// // Any chain of dense layers, such as `compress_nn::Mlp`. The targets are probabilities of a
/// // teacher, which here is the network itself in full precision.
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
///     &network.architecture(),
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
    architecture: &Architecture,
    model: &mut dyn Parameters,
    steps: &LearnedStep,
    data: &dyn Samples,
    indices: &[usize],
    targets: ArrayView2<'_, f32>,
    options: &RefineOptions,
    coder: &dyn Prices,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Sweep>> {
    options.check()?;
    let mut chain = read(architecture, model, steps, options.temperature)?;
    let rates = Rates::new(&chain, coder, steps.top());
    let square = f64::from(options.temperature) * f64::from(options.temperature);
    let mut stream = rng::stream(options.seed, "refine");
    let mut pieces = Pieces::new(architecture, &chain, data, indices, targets, &mut stream)?;
    // Logits are finite, but hidden outputs may not be.
    let loss = pieces.loss() as f32;
    if !loss.is_finite() {
        let expected =
            "finite: make the last layer's weights or biases smaller, or the temperature larger";
        let what = "the loss before refinement";
        return Err(CoreError::invalid(what, loss, expected));
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
    write(&chain, model)?;
    Ok(sweeps)
}

/// Reads the layers, with their weights as codes. The logits are divided by the temperature.
fn read(
    architecture: &Architecture,
    model: &dyn Parameters,
    steps: &LearnedStep,
    temperature: f32,
) -> Result<Chain> {
    steps.check_restored()?;
    architecture.validate()?;
    if let Some(last) = architecture.layers.last()
        && last.activation != Activation::Identity
    {
        let found = format!("{:?}", last.activation);
        return Err(CoreError::invalid("the last activation", found, "none"));
    }
    let mut chain = Chain::default();
    for (index, layer) in architecture.layers.iter().enumerate() {
        let name = layer.weight_name();
        let (step, codes) = parameters::with(model, &name, |weight| {
            weight.check_finite()?;
            CoreError::check_shape(&name, &[layer.outputs, layer.inputs], weight.shape)?;
            if let Some(known) = steps.codes(weight)? {
                return Ok(known);
            }
            // All weights were zero when steps were chosen, and are zero now.
            if weight.values.iter().all(|w| *w == 0.0) {
                return Ok((1.0, vec![0; weight.values.len()]));
            }
            let what = format!("the step of {name}");
            let expected = "learned, as not all of its weights are zero: fit steps to this network";
            Err(CoreError::invalid(what, "missing", expected))
        })?;
        let bias = parameters::with(model, &layer.bias_name(), |bias| {
            bias.check_finite()?;
            CoreError::check_shape(bias.name, &[layer.outputs], bias.shape)?;
            Ok(bias.values.to_vec())
        })?;
        let divisor = match index + 1 == architecture.layers.len() {
            true => temperature,
            false => 1.0,
        };
        chain.push(layer, codes, step, divisor, bias);
    }
    Ok(chain)
}

/// Puts the weights and biases of the layers into the model that they were read from.
fn write(chain: &Chain, model: &mut dyn Parameters) -> Result<()> {
    for layer in &chain.layers {
        for (name, values) in [
            (&layer.name, &layer.weight()),
            (&layer.bias_name, &layer.bias),
        ] {
            parameters::with_mut(model, name, |tensor| {
                tensor.values.copy_from_slice(values);
                Ok(())
            })?;
        }
    }
    Ok(())
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
