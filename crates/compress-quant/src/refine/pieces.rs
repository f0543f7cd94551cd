//! What all layers give for the samples, and how a change goes through them.
//!
//! The samples are cut into pieces, each with its values feature by feature. A change of one
//! weight reaches few neurons, so that its effect on the loss costs far less than a forward pass;
//! and most changes can be discarded after a few pieces.

use compress_core::network::{Activation, Network};
use compress_core::ops::{elementwise, scalar};
use compress_core::train::Samples;
use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::chain::{Chain, Change};

/// Samples of a piece.
const PIECE: usize = 256;

/// Pieces between two looks at whether a change is worth going on with.
const LOOK: usize = 8;

/// Standard errors by which the loss must rise too much, so far, for a change to be discarded.
const CERTAIN: f64 = 2.0;

/// All samples.
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    samples: f64,
}

/// Some of them; all arrays are `[features, samples]`.
struct Piece {
    samples: usize,
    inputs: Vec<f32>,
    /// For each layer its products with the bias, and what the activation makes of them.
    products: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
    targets: Vec<f32>,
    /// The sum over the samples.
    loss: f64,
}

/// What a change makes of a piece.
#[derive(Default)]
struct Effect {
    /// Layers and rows of products that change, hidden layers' alone, and their new values.
    rows: Vec<(usize, usize)>,
    products: Vec<f32>,
    /// All logits, where they change.
    logits: Vec<f32>,
}

impl Pieces {
    pub(super) fn new(
        network: &dyn Network,
        chain: &Chain,
        data: &dyn Samples,
        indices: &[usize],
        targets: ArrayView2<'_, f32>,
    ) -> Result<Self> {
        let architecture = network.architecture();
        Error::check_shape("features", &[architecture.features], &[data.features()])?;
        let wanted = [indices.len(), architecture.outputs()];
        Error::check_shape("targets", &wanted, targets.shape())?;
        if indices.is_empty() {
            let what = "the samples to refine codes by".into();
            return Err(Error::Empty { what });
        }
        let mut pieces = Vec::new();
        let mut scratch = Vec::new();
        let parts = indices
            .chunks(PIECE)
            .zip(targets.axis_chunks_iter(ndarray::Axis(0), PIECE));
        for (indices, targets) in parts {
            let mut rows = Array2::zeros((indices.len(), data.features()));
            data.fill(0, indices, rows.view_mut())?;
            let mut read = Array2::zeros((indices.len(), architecture.inputs()));
            architecture.read_into(rows.view(), read.view_mut(), &mut scratch)?;
            let by_feature = |m: ArrayView2<'_, f32>| m.t().iter().copied().collect::<Vec<f32>>();
            let piece = Piece::new(chain, by_feature(read.view()), by_feature(targets))?;
            pieces.push(piece);
        }
        Ok(Pieces {
            pieces,
            samples: indices.len() as f64,
        })
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

    /// Whether a change makes the mean loss rise by less than `worth`. Gives up where that has
    /// become unlikely.
    pub(super) fn rises_by_less(&self, chain: &Chain, change: Change, worth: f64) -> Result<bool> {
        let (mut sum, mut squares, mut seen) = (0.0, 0.0, 0.0);
        let (mut count, mut groups) = (0.0, self.pieces.chunks(LOOK).peekable());
        while let Some(group) = groups.next() {
            let rises = group.par_iter().map_init(Effect::default, |effect, piece| {
                piece.loss_after(chain, change, effect)
            });
            for (rise, piece) in rises.collect::<Result<Vec<f64>>>()?.iter().zip(group) {
                let mean = rise / piece.samples as f64;
                (sum, seen) = (sum + rise, seen + piece.samples as f64);
                (squares, count) = (squares + mean * mean, count + 1.0);
            }
            let mean = sum / seen;
            let variance = (squares / count - mean * mean).max(0.0);
            let certain = CERTAIN * (variance / count).sqrt();
            if groups.peek().is_some() && mean - certain > worth {
                return Ok(false);
            }
        }
        Ok(sum / seen < worth)
    }

    /// Takes a change over.
    pub(super) fn apply(&mut self, chain: &Chain, change: Change) -> Result<()> {
        let pieces = self.pieces.par_iter_mut();
        pieces.try_for_each_init(Effect::default, |effect, piece| {
            piece.apply(chain, change, effect)
        })
    }
}

impl Piece {
    fn new(chain: &Chain, inputs: Vec<f32>, targets: Vec<f32>) -> Result<Self> {
        let features = chain.layers.first().map_or(1, |layer| layer.inputs).max(1);
        let samples = inputs.len() / features;
        let mut piece = Piece {
            samples,
            inputs,
            products: Vec::new(),
            outputs: Vec::new(),
            targets,
            loss: 0.0,
        };
        for (index, layer) in chain.layers.iter().enumerate() {
            let bias = layer.bias.iter();
            let mut products: Vec<f32> = bias
                .flat_map(|&b| std::iter::repeat_n(b, samples))
                .collect();
            for (column, weights) in layer.columns.iter().enumerate() {
                let x = piece.input(index, column);
                for &(row, weight) in weights {
                    add(&mut products[row * samples..][..samples], weight, x);
                }
            }
            let mut outputs = products.clone();
            elementwise::activate(layer.activation, &mut outputs)?;
            piece.products.push(products);
            piece.outputs.push(outputs);
        }
        let logits = piece.products.last().cloned().unwrap_or_default();
        piece.loss = piece.loss_of(&logits)?;
        Ok(piece)
    }

    /// One feature of what layer `layer` reads.
    fn input(&self, layer: usize, column: usize) -> &[f32] {
        let values = match layer {
            0 => &self.inputs,
            _ => &self.outputs[layer - 1],
        };
        &values[column * self.samples..][..self.samples]
    }

    /// By how much the sum of the losses rises.
    fn loss_after(&self, chain: &Chain, change: Change, effect: &mut Effect) -> Result<f64> {
        match self.effect(chain, change, effect)? {
            true => Ok(self.loss_of(&effect.logits)? - self.loss),
            false => Ok(0.0),
        }
    }

    fn apply(&mut self, chain: &Chain, change: Change, effect: &mut Effect) -> Result<()> {
        let reaches_logits = self.effect(chain, change, effect)?;
        let samples = self.samples;
        for (&(layer, row), new) in effect.rows.iter().zip(effect.products.chunks(samples)) {
            self.products[layer][row * samples..][..samples].copy_from_slice(new);
            let outputs = &mut self.outputs[layer][row * samples..][..samples];
            outputs.copy_from_slice(new);
            elementwise::activate(chain.layers[layer].activation, outputs)?;
        }
        if reaches_logits {
            self.loss = self.loss_of(&effect.logits)?;
            if let (Some(products), Some(outputs)) =
                (self.products.last_mut(), self.outputs.last_mut())
            {
                products.copy_from_slice(&effect.logits);
                outputs.copy_from_slice(&effect.logits);
            }
        }
        Ok(())
    }

    /// Finds what a change makes of this piece; returns whether it reaches the logits.
    fn effect(&self, chain: &Chain, change: Change, effect: &mut Effect) -> Result<bool> {
        effect.rows.clear();
        effect.products.clear();
        let delta = match change.column {
            None => vec![change.delta; self.samples],
            Some(column) => {
                let x = self.input(change.layer, column);
                x.iter().map(|x| change.delta * x).collect()
            }
        };
        // Rows of the present layer whose products change, and by how much.
        let mut changed = vec![(change.row, delta)];
        for layer in change.layer..chain.layers.len() - 1 {
            let mut next: Vec<(usize, Vec<f32>)> = Vec::new();
            for (row, delta) in changed {
                if delta.iter().all(|d| *d == 0.0) {
                    continue;
                }
                let difference = self.through(chain, layer, row, &delta, effect)?;
                if difference.iter().all(|d| *d == 0.0) {
                    continue;
                }
                for &(to, weight) in &chain.layers[layer + 1].columns[row] {
                    match next.iter_mut().find(|(row, _)| *row == to) {
                        Some((_, delta)) => add(delta, weight, &difference),
                        None => next.push((to, difference.iter().map(|d| weight * d).collect())),
                    }
                }
            }
            changed = next;
        }
        changed.retain(|(_, delta)| delta.iter().any(|d| *d != 0.0));
        if changed.is_empty() {
            return Ok(false);
        }
        effect.logits.clear();
        effect
            .logits
            .extend_from_slice(self.products.last().map_or(&[][..], |p| p));
        for (row, delta) in changed {
            add(
                &mut effect.logits[row * self.samples..][..self.samples],
                1.0,
                &delta,
            );
        }
        Ok(true)
    }

    /// From the change of a hidden neuron's product to that of its output; the new product goes
    /// into `effect`.
    fn through(
        &self,
        chain: &Chain,
        layer: usize,
        row: usize,
        delta: &[f32],
        effect: &mut Effect,
    ) -> Result<Vec<f32>> {
        let samples = self.samples;
        let old = &self.products[layer][row * samples..][..samples];
        let outputs = &self.outputs[layer][row * samples..][..samples];
        let mut new: Vec<f32> = old.iter().zip(delta).map(|(z, d)| z + d).collect();
        effect.rows.push((layer, row));
        effect.products.extend_from_slice(&new);
        match chain.layers[layer].activation {
            Activation::Relu => new.iter_mut().for_each(|z| *z = z.max(0.0)),
            activation => elementwise::activate(activation, &mut new)?,
        }
        new.iter_mut()
            .zip(outputs)
            .for_each(|(new, old)| *new -= old);
        Ok(new)
    }

    /// The sum over the samples of −Σ target · ln softmax(logits).
    fn loss_of(&self, logits: &[f32]) -> Result<f64> {
        /// Sums of exponentials, each at least 1 and at most the number of classes, whose product
        /// is taken before its logarithm.
        const GROUP: usize = 8;
        let samples = self.samples;
        let mut most = logits[..samples].to_vec();
        for row in logits.chunks(samples).skip(1) {
            most.iter_mut().zip(row).for_each(|(m, v)| *m = m.max(*v));
        }
        let mut dot = vec![0.0_f32; samples];
        let mut exponentials = logits.to_vec();
        let rows = exponentials
            .chunks_mut(samples)
            .zip(self.targets.chunks(samples));
        for (row, targets) in rows {
            for (((v, m), t), dot) in row.iter_mut().zip(&most).zip(targets).zip(&mut dot) {
                *v -= m;
                *dot += t * *v;
            }
        }
        elementwise::exp(&mut exponentials)?;
        let mut sums = vec![0.0_f32; samples];
        for row in exponentials.chunks(samples) {
            add(&mut sums, 1.0, row);
        }
        let products = sums.chunks(GROUP).map(|sums| sums.iter().product::<f32>());
        let logarithms: f64 = products.map(|p| f64::from(scalar::ln(p))).sum();
        Ok(logarithms - dot.iter().map(|&d| f64::from(d)).sum::<f64>())
    }
}

/// `to += factor · from`.
fn add(to: &mut [f32], factor: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}
