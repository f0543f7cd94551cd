//! The forward and backward pass of a training step, in buffers that are allocated once.

use compress_core::Result;
use compress_core::gradients::LiveSets;
use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::kernels::sparse_layer;
use compress_core::network::{Activation, Forward};
use compress_core::ops::elementwise;
use compress_core::train::{FeatureMajor, Loss};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use crate::layers::activation::{self, Saved, saves};
use crate::layers::dense;
use crate::layers::dropout::Dropout;
use crate::rows::{by_feature, by_feature_mut, first, first_mut, values_mut};
use crate::sparse::Sparse;
use crate::{Mlp, Settings, optim};

/// All buffers hold up to `capacity` rows. A pass over fewer rows uses the first ones.
#[derive(Debug)]
pub(crate) struct Backprop {
    /// `[capacity, features]`: the batch.
    inputs: Array2<f32>,
    /// Whether `inputs` holds the present batch; if not, only `sparse` has what is read of it.
    reads_batch: bool,
    /// `[capacity, inputs of the first layer]`: what the first layer reads, where that is not the
    /// batch itself.
    read: Option<Array2<f32>>,
    /// The outputs of a front, where the first layer reads a selection of them.
    fronted: Vec<f32>,
    input_dropout: Option<Dropout>,
    layers: Vec<Buffers>,
    /// The layers of few live weights. While there is one, the buffers of all layers hold
    /// `[outputs, rows]` rather than `[rows, outputs]`.
    pub(crate) sparse: Sparse,
    /// `[capacity, classes]`: the logits and their gradient row by row, as a loss reads them. Only
    /// where the buffers hold them in another order.
    ends: Option<[Array2<f32>; 2]>,
}

/// What a layer leaves for its backward pass.
#[derive(Debug)]
struct Buffers {
    activation: Activation,
    /// `[capacity, outputs]`: what the layer passes on.
    output: Array2<f32>,
    /// What the activation's derivative needs, where that is not `output`.
    saved: Option<(Saved, Array2<f32>)>,
    dropout: Option<Dropout>,
    /// `[capacity, outputs]`: the loss's gradient with respect to `output`, later to the product
    /// before the activation.
    gradient: Array2<f32>,
}

impl Backprop {
    /// Makes buffers for batches of up to `capacity` rows.
    pub(crate) fn new(network: &Mlp, settings: &Settings, capacity: usize) -> Self {
        let dropout = |rate, place: String| {
            let first = settings.first_epoch;
            let stream = format!("{}.dropout.{place}.{first}", settings.stream);
            Dropout::new(rate, settings.seed, stream)
        };
        let input_dropout = dropout(settings.dropout_input, "input".into());
        let last = network.layers().len() - 1;
        let layers = network.layers().iter().enumerate().map(|(index, layer)| {
            let rate = if index < last && !settings.batchwise_dropout {
                settings.dropout_hidden
            } else {
                0.0
            };
            let shape = (capacity, layer.outputs);
            let dropout = dropout(rate, layer.name.clone());
            let saved = match saves(layer.activation) {
                Saved::Passed => None,
                Saved::Output if dropout.is_none() => None,
                saved => Some((saved, Array2::zeros(shape))),
            };
            Buffers {
                activation: layer.activation,
                output: Array2::zeros(shape),
                saved,
                dropout,
                gradient: Array2::zeros(shape),
            }
        });
        let reads = network.layers()[0].inputs;
        let copies = !network.chain().reads_features() || input_dropout.is_some();
        Backprop {
            inputs: Array2::zeros((capacity, network.features())),
            reads_batch: true,
            read: copies.then(|| Array2::zeros((capacity, reads))),
            fronted: Vec::new(),
            layers: layers.collect(),
            input_dropout,
            sparse: Sparse::default(),
            ends: None,
        }
    }

    /// Takes over which weights are live from now on.
    pub(crate) fn hold(&mut self, live: &LiveSets, network: &Mlp, optimizer: &mut optim::State) {
        self.sparse.hold(live, network, optimizer);
        let shape = self.layers.last().map(|layer| layer.output.raw_dim());
        let shape = shape.filter(|_| self.sparse.any());
        self.ends = shape.map(|shape| [Array2::zeros(shape), Array2::zeros(shape)]);
    }

    /// The first `rows` rows of the batch, to fill.
    pub(crate) fn inputs_mut(&mut self, rows: usize) -> ArrayViewMut2<'_, f32> {
        first_mut(&mut self.inputs, rows)
    }

    /// The first `rows` rows of the batch.
    pub(crate) fn inputs(&self, rows: usize) -> ArrayView2<'_, f32> {
        first(&self.inputs, rows)
    }

    /// What a loss needs: inputs (empty where only few features were read), logits, and the
    /// gradient of the logits to fill.
    pub(crate) fn ends(
        &mut self,
        rows: usize,
    ) -> (
        ArrayView2<'_, f32>,
        ArrayView2<'_, f32>,
        ArrayViewMut2<'_, f32>,
    ) {
        let last = self.layers.len() - 1;
        let Buffers {
            output, gradient, ..
        } = &mut self.layers[last];
        let (output, gradient) = match &mut self.ends {
            Some([logits, gradient]) => (logits, gradient),
            None => (output, gradient),
        };
        let inputs = first(&self.inputs, rows);
        let (whole, none) = inputs.split_at(Axis(1), inputs.ncols());
        (
            if self.reads_batch { whole } else { none },
            first(output, rows),
            first_mut(gradient, rows),
        )
    }

    /// Whether only some features of a batch are used, and the first layer reads them unchanged.
    pub(crate) fn reads_features(&self, loss: &dyn Loss) -> bool {
        self.sparse.reads_features() && self.input_dropout.is_none() && !loss.reads_inputs()
    }

    /// Takes just those features of the samples `indices`.
    pub(crate) fn read_features(
        &mut self,
        network: &Mlp,
        data: &dyn FeatureMajor,
        epoch: u64,
        indices: &[usize],
    ) -> crate::Result<()> {
        self.reads_batch = false;
        let inputs = network.layers()[0].inputs;
        self.sparse.read_inputs(data, epoch, indices, inputs)
    }

    /// Turns the first `rows` rows of the batch into what the first layer reads. `step` seeds the
    /// dropout.
    pub(crate) fn read_batch(&mut self, network: &Mlp, rows: usize, step: u64) -> Result<()> {
        self.reads_batch = true;
        if let Some(read) = &mut self.read {
            let inputs = first(&self.inputs, rows);
            let to = first_mut(read, rows);
            network.chain().read_into(inputs, to, &mut self.fronted)?;
            if let Some(dropout) = &mut self.input_dropout {
                dropout.forward(step, values_mut(read, rows));
            }
        }
        let batch = first(self.read.as_ref().unwrap_or(&self.inputs), rows);
        self.sparse.set_inputs(batch)
    }

    /// Runs what was read through `network`. `step` seeds the dropout.
    pub(crate) fn forward(&mut self, network: &Mlp, rows: usize, step: u64) -> Result<()> {
        if self.sparse.any() {
            return self.forward_by_feature(network, rows, step);
        }
        let mut x = self.read.as_ref().unwrap_or(&self.inputs);
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let (weight, bias) = network.layer(index);
            let y = first_mut(&mut layer.output, rows);
            dense::forward(first(x, rows), weight, bias, y)?;
            layer.activate(rows, step)?;
            x = &layer.output;
        }
        Ok(())
    }

    /// Computes the gradients of all parameters from that of the logits (see [`Backprop::ends`]).
    pub(crate) fn backward(&mut self, network: &mut Mlp, rows: usize) -> Result<()> {
        if self.sparse.any() {
            return self.backward_by_feature(network, rows);
        }
        for index in (0..self.layers.len()).rev() {
            let (before, from) = self.layers.split_at_mut(index);
            let layer = &mut from[0];
            layer.deactivate(rows)?;
            let dy = first(&layer.gradient, rows);
            let x = match before.last() {
                Some(previous) => &previous.output,
                None => self.read.as_ref().unwrap_or(&self.inputs),
            };
            let (weight, bias) = network.layer_mut(index);
            dense::backward_parameters(first(x, rows), dy, weight, bias)?;
            self.sparse.mask_gradient(index, weight)?;
            if let Some(previous) = before.last_mut() {
                let dx = first_mut(&mut previous.gradient, rows);
                dense::backward_input(dy, weight, dx)?;
            }
        }
        Ok(())
    }
}

/// The same passes for activations that lie feature by feature.
impl Backprop {
    fn forward_by_feature(&mut self, network: &Mlp, rows: usize, step: u64) -> Result<()> {
        let Backprop {
            inputs,
            read,
            layers,
            sparse,
            ends,
            ..
        } = self;
        sparse.gather_values(network);
        let batch = first(read.as_ref().unwrap_or(inputs), rows);
        for index in 0..layers.len() {
            let (before, from) = layers.split_at_mut(index);
            let layer = &mut from[0];
            let (weight, bias) = network.layer(index);
            let x = match before.last() {
                Some(previous) => by_feature(&previous.output, rows)?,
                None => sparse.inputs(batch)?,
            };
            let y = by_feature_mut(&mut layer.output, rows)?;
            match sparse.layer(index) {
                Some(live) => sparse_layer::forward(&live.live, &live.values, bias.values(), x, y)?,
                None => dense::forward_by_feature(x, weight, bias, y)?,
            }
            layer.activate(rows, step)?;
        }
        if let (Some([logits, _]), Some(last)) = (ends, layers.last()) {
            let from = by_feature(&last.output, rows)?;
            first_mut(logits, rows).assign(&from.reversed_axes());
        }
        Ok(())
    }

    fn backward_by_feature(&mut self, network: &mut Mlp, rows: usize) -> Result<()> {
        let Backprop {
            inputs,
            read,
            layers,
            sparse,
            ends,
            ..
        } = self;
        let batch = first(read.as_ref().unwrap_or(inputs), rows);
        if let (Some([_, gradient]), Some(last)) = (ends, layers.last_mut()) {
            let mut to = by_feature_mut(&mut last.gradient, rows)?;
            to.assign(&first(gradient, rows).reversed_axes());
        }
        for index in (0..layers.len()).rev() {
            let (before, from) = layers.split_at_mut(index);
            let layer = &mut from[0];
            layer.deactivate(rows)?;
            let dy = by_feature(&layer.gradient, rows)?;
            let (weight, bias) = network.layer_mut(index);
            dense::backward_bias_by_feature(dy, bias)?;
            if let Some(previous) = before.last_mut() {
                let dx = by_feature_mut(&mut previous.gradient, rows)?;
                match sparse.layer(index) {
                    Some(l) => sparse_layer::backward_inputs(&l.live, &l.values, dy, dx)?,
                    None => gemm(weight.matrix().reversed_axes(), dy, Init::Zero, dx)?,
                }
            }
            match before.last() {
                Some(previous) => {
                    let x = by_feature(&previous.output, rows)?;
                    sparse.backward_weights(index, dy, x, weight)?;
                }
                None => sparse.backward_first_weights(dy, batch, weight)?,
            }
        }
        Ok(())
    }
}

impl Buffers {
    /// From the product in `output` to what is passed on.
    fn activate(&mut self, rows: usize, step: u64) -> Result<()> {
        let values = values_mut(&mut self.output, rows);
        if let Some((Saved::Input, saved)) = &mut self.saved {
            values_mut(saved, rows).copy_from_slice(values);
        }
        elementwise::activate(self.activation, values)?;
        if let Some((Saved::Output, saved)) = &mut self.saved {
            values_mut(saved, rows).copy_from_slice(values);
        }
        if let Some(dropout) = &mut self.dropout {
            dropout.forward(step, values);
        }
        Ok(())
    }

    /// From the gradient of what is passed on to that of the product, in place.
    fn deactivate(&mut self, rows: usize) -> Result<()> {
        let gradient = values_mut(&mut self.gradient, rows);
        if let Some(dropout) = &self.dropout {
            dropout.backward(gradient);
        }
        let saved = match &mut self.saved {
            Some((_, saved)) => saved,
            None => &mut self.output,
        };
        activation::backward(self.activation, values_mut(saved, rows), gradient)
    }
}
