//! The forward and backward pass of a training step, in buffers that are allocated once.

use compress_core::Result;
use compress_core::gradients::LiveSets;
use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::kernels::sparse_layer;
use compress_core::network::{Activation, Forward};
use compress_core::ops::elementwise;
use compress_core::train::{FeatureMajor, Loss, Value};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use crate::layers::activation::{self, Saved, saves};
use crate::layers::dense;
use crate::layers::dropout::Dropout;
use crate::rows::{by_feature, by_feature_mut, first, first_mut, values_mut};
use crate::shown::{Order, Shown};
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
    /// The logits, where the buffers do not hold them row by row.
    logits: Option<Shown>,
    /// The layers whose outputs the loss reads, in its order.
    shown: Vec<(usize, Shown)>,
}

/// What a loss is given of a batch.
pub(crate) struct Ends<'a> {
    /// Empty rows where only few features were read.
    pub(crate) inputs: ArrayView2<'a, f32>,
    pub(crate) logits: Value<'a>,
    /// The layers' outputs that it reads.
    pub(crate) values: Vec<Value<'a>>,
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
            logits: None,
            shown: Vec::new(),
        }
    }

    /// Also shows the loss what these layers give.
    pub(crate) fn showing(mut self, layers: &[usize]) -> Self {
        let of = |&index: &usize| {
            let (capacity, features) = self.layers[index].output.dim();
            (index, Shown::new(capacity, features))
        };
        self.shown = layers.iter().map(of).collect();
        self
    }

    /// Takes over which weights are live from now on.
    pub(crate) fn hold(
        &mut self,
        live: &LiveSets,
        network: &mut Mlp,
        optimizer: &mut optim::State,
    ) {
        self.sparse.hold(live, network, optimizer);
        let last = self.layers.last().filter(|_| self.sparse.any());
        let shape = last.map(|layer| layer.output.dim());
        self.logits = shape.map(|(capacity, classes)| Shown::new(capacity, classes));
    }

    /// The first `rows` rows of the batch, to fill.
    pub(crate) fn inputs_mut(&mut self, rows: usize) -> ArrayViewMut2<'_, f32> {
        first_mut(&mut self.inputs, rows)
    }

    /// The first `rows` rows of the batch.
    pub(crate) fn inputs(&self, rows: usize) -> ArrayView2<'_, f32> {
        first(&self.inputs, rows)
    }

    /// What the loss is given, with the places of its gradients to write.
    pub(crate) fn ends(&mut self, rows: usize) -> Ends<'_> {
        let last = self.layers.len() - 1;
        let layer = &mut self.layers[last];
        let logits = match &mut self.logits {
            Some(logits) => logits.value(rows),
            None => Value {
                rows: first(&layer.output, rows),
                gradient: first_mut(&mut layer.gradient, rows),
            },
        };
        let inputs = first(&self.inputs, rows);
        let (whole, none) = inputs.split_at(Axis(1), inputs.ncols());
        let shown = self.shown.iter_mut();
        Ends {
            inputs: if self.reads_batch { whole } else { none },
            logits,
            values: shown.map(|(_, shown)| shown.value(rows)).collect(),
        }
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
        let order = self.order();
        match order {
            Order::ByRow => self.forward_by_row(network, rows, step)?,
            Order::ByFeature => self.forward_by_feature(network, rows, step)?,
        }
        if let (Some(logits), Some(last)) = (&mut self.logits, self.layers.last()) {
            logits.take(&last.output, rows, order)?;
        }
        for (index, shown) in &mut self.shown {
            shown.take(&self.layers[*index].output, rows, order)?;
        }
        Ok(())
    }

    /// Computes the gradients of all parameters from those that the loss has written (see
    /// [`Backprop::ends`]).
    pub(crate) fn backward(&mut self, network: &mut Mlp, rows: usize) -> Result<()> {
        match self.order() {
            Order::ByRow => self.backward_by_row(network, rows),
            Order::ByFeature => self.backward_by_feature(network, rows),
        }
    }

    fn order(&self) -> Order {
        match self.sparse.any() {
            true => Order::ByFeature,
            false => Order::ByRow,
        }
    }
}

/// The passes for activations that lie row by row.
impl Backprop {
    fn forward_by_row(&mut self, network: &Mlp, rows: usize, step: u64) -> Result<()> {
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

    fn backward_by_row(&mut self, network: &mut Mlp, rows: usize) -> Result<()> {
        for index in (0..self.layers.len()).rev() {
            let (before, from) = self.layers.split_at_mut(index);
            let layer = &mut from[0];
            add_shown(&self.shown, index, layer, rows, Order::ByRow)?;
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
        Ok(())
    }

    fn backward_by_feature(&mut self, network: &mut Mlp, rows: usize) -> Result<()> {
        let Backprop {
            inputs,
            read,
            layers,
            sparse,
            logits,
            shown,
            ..
        } = self;
        let batch = first(read.as_ref().unwrap_or(inputs), rows);
        if let (Some(logits), Some(last)) = (logits, layers.last_mut()) {
            logits.give_gradient(&mut last.gradient, rows)?;
        }
        for index in (0..layers.len()).rev() {
            let (before, from) = layers.split_at_mut(index);
            let layer = &mut from[0];
            add_shown(shown, index, layer, rows, Order::ByFeature)?;
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

/// Adds the loss's gradient of the output of layer `index`, where the loss reads it.
fn add_shown(
    shown: &[(usize, Shown)],
    index: usize,
    layer: &mut Buffers,
    rows: usize,
    order: Order,
) -> Result<()> {
    let here = shown.iter().filter(|(read, _)| *read == index);
    here.map(|(_, shown)| shown)
        .try_for_each(|shown| shown.add_gradient(&mut layer.gradient, rows, order))
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
