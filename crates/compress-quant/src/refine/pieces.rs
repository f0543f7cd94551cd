//! The outputs of all layers for the samples, and how a change passes through them.
//!
//! The samples are cut into pieces, each with its values feature by feature. A change of one weight
//! reaches few neurons, so its effect on the loss costs far less than a forward pass. Most changes
//! can be discarded after a few pieces.

use std::cell::RefCell;

use compress_core::chain::Architecture;
use compress_core::ops::cross_entropy::cross_entropy_by_class;
use compress_core::ops::elementwise::activate;
use compress_core::ops::vector;
use compress_core::rng::{self, Stream};
use compress_core::train::Samples;
use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::chain::{Chain, Change};

/// Samples of a piece.
const PIECE: usize = 256;

/// Pieces before the first check whether a change can still pay. Each later check comes after as
/// many pieces again as all before it, up to the most.
const LOOK: usize = 8;
const LONGEST_LOOK: usize = 64;

/// A change is discarded if the loss so far rises too much by this many standard errors, and if at
/// least [`FELT`] pieces changed at all.
const CERTAIN: f64 = 2.0;
const FELT: usize = 4;

/// All samples.
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    samples: f64,
}

/// Some of them; all arrays are `[features, samples]`.
struct Piece {
    samples: usize,
    inputs: Vec<f32>,
    /// The products of each layer with the bias added, before the activation.
    products: Vec<Vec<f32>>,
    targets: Vec<f32>,
    /// The sum over the samples.
    loss: f64,
}

/// The effect of a change on a piece.
#[derive(Default)]
struct Effect {
    /// The change of each layer.
    layers: Vec<Changed>,
    /// The output of one neuron before the change, and after it.
    before: Vec<f32>,
    after: Vec<f32>,
    /// All logits, where they change.
    logits: Vec<f32>,
}

/// The rows of a layer's products that change, with the differences `[rows, samples]`.
#[derive(Default)]
struct Changed {
    rows: Vec<usize>,
    deltas: Vec<f32>,
}

thread_local! {
    /// Each thread keeps it for the next change.
    static EFFECT: RefCell<Effect> = RefCell::default();
}

impl Pieces {
    /// The samples in an order that `stream` gives, so that the first pieces stand for all.
    pub(super) fn new(
        architecture: &Architecture,
        chain: &Chain,
        data: &dyn Samples,
        indices: &[usize],
        targets: ArrayView2<'_, f32>,
        stream: &mut Stream,
    ) -> Result<Self> {
        Error::check_shape("features", &[architecture.features], &[data.features()])?;
        let wanted = [indices.len(), architecture.outputs()];
        Error::check_shape("targets", &wanted, targets.shape())?;
        if indices.is_empty() {
            let what = "the samples to refine codes by".into();
            return Err(Error::Empty { what });
        }
        for (sample, targets) in targets.rows().into_iter().enumerate() {
            let sum: f32 = targets.iter().sum();
            if (sum - 1.0).abs() > 1e-3 || targets.iter().any(|t| *t < 0.0) || sum.is_nan() {
                let what = format!("the targets of sample {}, summed", indices[sample]);
                return Err(Error::invalid(what, sum, "1, none being negative"));
            }
        }
        let mut order: Vec<usize> = (0..indices.len()).collect();
        rng::shuffle(stream, &mut order);
        let mut pieces = Vec::new();
        let mut scratch = Vec::new();
        for part in order.chunks(PIECE) {
            let indices: Vec<usize> = part.iter().map(|&i| indices[i]).collect();
            let mut rows = Array2::zeros((indices.len(), data.features()));
            data.fill(0, &indices, rows.view_mut())?;
            let mut read = Array2::zeros((indices.len(), architecture.inputs()));
            architecture.read_into(rows.view(), read.view_mut(), &mut scratch)?;
            for (row, index) in read.rows().into_iter().zip(&indices) {
                if let Some(at) = row.iter().position(|v| !v.is_finite()) {
                    let what = format!("input {at} of sample {index}");
                    return Err(Error::invalid(what, row[at], "finite"));
                }
            }
            let by_feature = |m: ArrayView2<'_, f32>| m.t().iter().copied().collect::<Vec<f32>>();
            let targets = targets.select(Axis(0), part);
            let piece = Piece::new(chain, by_feature(read.view()), by_feature(targets.view()))?;
            pieces.push(piece);
        }
        Ok(Pieces {
            pieces,
            samples: indices.len() as f64,
        })
    }

    /// Reorders the samples, so that other ones come first.
    pub(super) fn shuffle(&mut self, stream: &mut Stream) {
        rng::shuffle(stream, &mut self.pieces);
    }

    /// The mean cross-entropy.
    pub(super) fn loss(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.loss).sum::<f64>() / self.samples
    }

    /// A share of the root mean square of each layer's products.
    pub(super) fn bias_steps(&self, chain: &Chain, share: f64) -> Vec<f32> {
        let square = |values: &[f32]| {
            values
                .iter()
                .map(|&v| f64::from(v) * f64::from(v))
                .sum::<f64>()
        };
        let scale = |layer: usize| {
            let sum: f64 = self.pieces.iter().map(|p| square(&p.products[layer])).sum();
            let count = self.samples * chain.layers[layer].bias.len() as f64;
            (share * (sum / count.max(1.0)).sqrt()) as f32
        };
        (0..chain.layers.len()).map(scale).collect()
    }

    /// The loss of each piece after a change, if the change makes the mean loss rise by less than
    /// `worth`; else none. Gives up as soon as the rise is unlikely to stay below `worth`.
    pub(super) fn losses_if_worth(
        &self,
        chain: &Chain,
        change: Change,
        worth: f64,
    ) -> Result<Option<Vec<f64>>> {
        let mut losses = Vec::with_capacity(self.pieces.len());
        let mut rise = Rise::default();
        let (mut rest, mut look) = (&self.pieces[..], LOOK);
        while !rest.is_empty() {
            let (group, after) = rest.split_at(look.min(rest.len()));
            let after_change = group.par_iter().map(|piece| {
                EFFECT.with_borrow_mut(|effect| piece.loss_after(chain, change, effect))
            });
            let after_change: Vec<f64> = after_change.collect::<Result<_>>()?;
            for (piece, loss) in group.iter().zip(&after_change) {
                rise.add(loss - piece.loss, piece.samples as f64);
            }
            losses.extend(after_change);
            if !after.is_empty() && rise.is_surely_above(worth) {
                return Ok(None);
            }
            rest = after;
            look = losses.len().min(LONGEST_LOOK);
        }
        Ok((rise.mean() < worth).then_some(losses))
    }

    /// Applies a change; `losses` are the known losses of the pieces after it.
    pub(super) fn apply(&mut self, chain: &Chain, change: Change, losses: &[f64]) -> Result<()> {
        let pieces = self.pieces.par_iter_mut().zip(losses);
        pieces.try_for_each(|(piece, &loss)| {
            piece.loss = loss;
            EFFECT.with_borrow_mut(|effect| piece.apply(chain, change, effect))
        })
    }
}

/// By how much the loss rises in the pieces seen so far.
#[derive(Default)]
struct Rise {
    sum: f64,
    samples: f64,
    /// The sum of squares of the pieces' mean rises.
    squares: f64,
    pieces: f64,
    /// Pieces whose loss changes at all.
    felt: usize,
}

impl Rise {
    fn add(&mut self, rise: f64, samples: f64) {
        let mean = rise / samples;
        self.sum += rise;
        self.samples += samples;
        self.squares += mean * mean;
        self.pieces += 1.0;
        self.felt += usize::from(rise != 0.0);
    }

    fn mean(&self) -> f64 {
        self.sum / self.samples
    }

    /// Whether the pieces so far say that the rise in all pieces will hardly be below `worth`.
    fn is_surely_above(&self, worth: f64) -> bool {
        let mean = self.mean();
        let variance = (self.squares - self.pieces * mean * mean).max(0.0) / (self.pieces - 1.0);
        self.felt >= FELT && mean - CERTAIN * (variance / self.pieces).sqrt() > worth
    }
}

impl Piece {
    fn new(chain: &Chain, inputs: Vec<f32>, targets: Vec<f32>) -> Result<Self> {
        let features = chain.layers.first().map_or(1, |layer| layer.inputs).max(1);
        let samples = inputs.len() / features;
        let mut products: Vec<Vec<f32>> = Vec::new();
        let mut read = inputs.clone();
        for layer in &chain.layers {
            let bias = layer.bias();
            let mut of_layer: Vec<f32> =
                bias.flat_map(|b| std::iter::repeat_n(b, samples)).collect();
            for (column, weights) in layer.columns.iter().enumerate() {
                let x = row(&read, column, samples);
                for &(to, weight) in weights {
                    vector::axpy(weight, x, &mut of_layer[to * samples..][..samples])?;
                }
            }
            // Samples and parameters are finite, but products of large ones may not be.
            if let Some(at) = of_layer.iter().position(|v| !v.is_finite()) {
                let what = format!("a product of {}", layer.name);
                let expected = "finite: make its inputs, weights or biases smaller";
                return Err(Error::invalid(what, of_layer[at], expected));
            }
            read.clone_from(&of_layer);
            activate(layer.activation, &mut read)?;
            products.push(of_layer);
        }
        let loss = cross_entropy_by_class(&read, &targets, samples)?;
        Ok(Piece {
            samples,
            inputs,
            products,
            targets,
            loss,
        })
    }

    /// The sum of the losses after a change.
    fn loss_after(&self, chain: &Chain, change: Change, effect: &mut Effect) -> Result<f64> {
        let samples = self.samples;
        self.effect(chain, change, effect)?;
        let (Some(last), Some(products)) = (effect.layers.last(), self.products.last()) else {
            return Ok(self.loss);
        };
        if last.deltas.iter().all(|d| *d == 0.0) {
            return Ok(self.loss);
        }
        copy(products, &mut effect.logits);
        for (&to, delta) in last.rows.iter().zip(last.deltas.chunks(samples)) {
            vector::axpy(1.0, delta, &mut effect.logits[to * samples..][..samples])?;
        }
        cross_entropy_by_class(&effect.logits, &self.targets, samples)
    }

    fn apply(&mut self, chain: &Chain, change: Change, effect: &mut Effect) -> Result<()> {
        let samples = self.samples;
        self.effect(chain, change, effect)?;
        for (products, changed) in self.products.iter_mut().zip(&effect.layers) {
            for (&to, delta) in changed.rows.iter().zip(changed.deltas.chunks(samples)) {
                vector::axpy(1.0, delta, &mut products[to * samples..][..samples])?;
            }
        }
        Ok(())
    }

    /// Finds what a change does to the products of this piece.
    fn effect(&self, chain: &Chain, change: Change, effect: &mut Effect) -> Result<()> {
        let samples = self.samples;
        effect
            .layers
            .resize_with(chain.layers.len(), Changed::default);
        effect.layers.iter_mut().for_each(Changed::clear);
        let delta = effect.layers[change.layer].add(change.row, samples);
        match change.column {
            None => delta.fill(change.delta),
            Some(column) => {
                self.read(chain, change.layer, column, delta)?;
                vector::scale(change.delta, delta)?;
            }
        }
        for layer in change.layer..chain.layers.len() - 1 {
            let (upper, lower) = effect.layers.split_at_mut(layer + 1);
            let (from, to) = (&upper[layer], &mut lower[0]);
            for (&from, delta) in from.rows.iter().zip(from.deltas.chunks(samples)) {
                let old = row(&self.products[layer], from, samples);
                copy(old, &mut effect.before);
                copy(old, &mut effect.after);
                vector::axpy(1.0, delta, &mut effect.after)?;
                let activation = chain.layers[layer].activation;
                activate(activation, &mut effect.before)?;
                activate(activation, &mut effect.after)?;
                vector::axpy(-1.0, &effect.before, &mut effect.after)?;
                if effect.after.iter().all(|d| *d == 0.0) {
                    continue;
                }
                for &(row, weight) in &chain.layers[layer + 1].columns[from] {
                    vector::axpy(weight, &effect.after, to.add(row, samples))?;
                }
            }
        }
        Ok(())
    }

    /// One feature of the inputs of layer `layer`.
    fn read(&self, chain: &Chain, layer: usize, column: usize, out: &mut [f32]) -> Result<()> {
        if layer == 0 {
            out.copy_from_slice(row(&self.inputs, column, self.samples));
            return Ok(());
        }
        out.copy_from_slice(row(&self.products[layer - 1], column, self.samples));
        activate(chain.layers[layer - 1].activation, out)
    }
}

impl Changed {
    fn clear(&mut self) {
        self.rows.clear();
        self.deltas.clear();
    }

    /// The differences of a row, to be added to; zeros at first.
    fn add(&mut self, row: usize, samples: usize) -> &mut [f32] {
        let position = self.rows.iter().position(|r| *r == row);
        let position = position.unwrap_or_else(|| {
            self.rows.push(row);
            self.deltas.resize(self.rows.len() * samples, 0.0);
            self.rows.len() - 1
        });
        &mut self.deltas[position * samples..][..samples]
    }
}

/// Row `index` of `[rows, samples]`.
fn row(values: &[f32], index: usize, samples: usize) -> &[f32] {
    &values[index * samples..][..samples]
}

fn copy(from: &[f32], to: &mut Vec<f32>) {
    to.clear();
    to.extend_from_slice(from);
}
