//! Batchwise dropout: all samples of a batch drop the same neurons, so the rest is trained as a
//! smaller network.

use compress_core::network::{Edit, Parameter};
use compress_core::rng;
use rayon::prelude::*;

use crate::backprop::Backprop;
use crate::sparse::Sparse;
use crate::{Mlp, Result, Settings};

/// The neurons that stay in one step, as a network of their own.
///
/// As in `Dropout`, what stays is divided by the share that stays. Here this scales the weights
/// that read it.
///
/// # References
/// Graham, Reizenstein and Robinson, *Efficient batchwise dropout training using submatrices*,
/// 1502.02478. A fixed number of neurons of each layer stays: the rate times its width, rounded.
#[derive(Debug)]
pub(crate) struct Batchwise {
    pub(crate) network: Mlp,
    pub(crate) buffers: Backprop,
    /// Which inputs of the first layer, and then which outputs of each layer, stay; ascending. All
    /// inputs of the first layer and all outputs of the last one stay.
    kept: Vec<Vec<usize>>,
    seed: u64,
    stream: String,
}

impl Batchwise {
    /// `None` where no neuron is dropped, or each sample has a draw of its own.
    pub(crate) fn new(whole: &Mlp, settings: &Settings, capacity: usize) -> Result<Option<Self>> {
        if !settings.batchwise_dropout {
            return Ok(None);
        }
        let layers = whole.layers();
        let mut network = whole.clone();
        let mut kept = vec![Vec::from_iter(0..layers[0].inputs)];
        for (index, layer) in layers.iter().enumerate() {
            let hidden = index + 1 < layers.len();
            let stay = if hidden {
                staying(layer.outputs, settings.dropout_hidden)
            } else {
                layer.outputs
            };
            if stay < layer.outputs {
                let first: Vec<bool> = (0..layer.outputs).map(|i| i < stay).collect();
                network.keep(&network.graph().group(&layer.name)?, &first)?;
            }
            kept.push((0..stay).collect());
        }
        if network.layers() == layers {
            return Ok(None);
        }
        Ok(Some(Batchwise {
            buffers: Backprop::new(&network, settings, capacity),
            network,
            kept,
            seed: settings.seed,
            stream: format!("{}.dropout.batch.{}", settings.stream, settings.first_epoch),
        }))
    }

    /// Draws who stays in `step`, and takes their parameters from `whole`.
    pub(crate) fn draw(&mut self, whole: &Mlp, step: u64) {
        for (layer, kept) in whole.layers().iter().zip(&mut self.kept[1..]) {
            let stay = kept.len();
            if stay < layer.outputs {
                let name = format!("{}.{}", self.stream, layer.name);
                kept.clear();
                kept.extend(0..layer.outputs);
                rng::shuffle(&mut rng::indexed(self.seed, &name, step), kept);
                kept.truncate(stay);
                kept.sort_unstable();
            }
        }
        for (index, kept) in self.kept.windows(2).enumerate() {
            let (columns, rows) = (&kept[0], &kept[1]);
            let (weight, bias) = whole.layer(index);
            let (own_weight, own_bias) = self.network.layer_mut(index);
            gather(weight, rows, columns, own_weight);
            for (own, &row) in own_bias.values_mut().iter_mut().zip(rows) {
                *own = bias.values()[row];
            }
        }
    }

    /// Writes the gradients of `whole`: those of the neurons that stayed, and zero for all others
    /// and for weights that are not live.
    pub(crate) fn give_gradients(&self, whole: &mut Mlp, sparse: &Sparse) -> Result<()> {
        for (index, kept) in self.kept.windows(2).enumerate() {
            let (columns, rows) = (&kept[0], &kept[1]);
            let (own_weight, own_bias) = self.network.layer(index);
            let (weight, bias) = whole.layer_mut(index);
            scatter(own_weight, rows, columns, weight);
            sparse.zero_dead_gradient(index, weight)?;
            bias.gradient_mut().fill(0.0);
            for (own, &row) in own_bias.gradient().iter().zip(rows) {
                bias.gradient_mut()[row] = *own;
            }
        }
        Ok(())
    }
}

/// How many of `neurons` stay: at least one.
fn staying(neurons: usize, rate: f32) -> usize {
    let dropped = (f64::from(rate) * neurons as f64).round() as usize;
    (neurons - dropped).max(1)
}

/// The factor for weights that read `kept` of `whole`'s inputs.
fn scale(whole: &Parameter, kept: &[usize]) -> f32 {
    whole.matrix().ncols() as f32 / kept.len() as f32
}

/// The values of `whole` `[out, in]` in `rows` and `columns`, scaled.
fn gather(whole: &Parameter, rows: &[usize], columns: &[usize], own: &mut Parameter) {
    let (scale, inputs) = (scale(whole, columns), whole.matrix().ncols());
    let values = own.values_mut().par_chunks_exact_mut(columns.len().max(1));
    values.zip(rows).for_each(|(own, &row)| {
        let whole = &whole.values()[row * inputs..(row + 1) * inputs];
        if own.len() == whole.len() {
            // As in the first layer, which keeps all columns and so scales none.
            return own.copy_from_slice(whole);
        }
        for (own, &column) in own.iter_mut().zip(columns) {
            *own = whole[column] * scale;
        }
    });
}

/// The reverse of [`gather`], for gradients: those outside of `rows` and `columns` become zero.
fn scatter(own: &Parameter, rows: &[usize], columns: &[usize], whole: &mut Parameter) {
    let (scale, inputs) = (scale(whole, columns), whole.matrix().ncols());
    let gradient = whole.gradient_mut().par_chunks_exact_mut(inputs.max(1));
    gradient.enumerate().for_each(|(row, whole)| {
        let Ok(position) = rows.binary_search(&row) else {
            return whole.fill(0.0);
        };
        let own = &own.gradient()[position * columns.len()..(position + 1) * columns.len()];
        if own.len() == whole.len() {
            return whole.copy_from_slice(own);
        }
        whole.fill(0.0);
        for (own, &column) in own.iter().zip(columns) {
            whole[column] = own * scale;
        }
    });
}
