//! Training of a network that has layers with few live weights.
//!
//! As soon as one layer's density is below the break-even, activations lie feature by feature,
//! `[features, batch]`: sparse layers go over their live weights, dense ones stay matrix
//! products. Which layers are sparse depends on densities alone, never on threads or times.

use std::sync::Arc;

use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::kernels::sparse_layer::{self, Live};
use compress_core::network::{Architecture, Parameter};
use compress_core::ops::vector::zero_where;
use compress_core::train::{FeatureMajor, FeatureRow, gather_by_feature};
use compress_core::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::layers::live::{LiveWeights, is_sparse};
use crate::rows::all_finite;
use crate::{Mlp, optim};

/// Which layers are sparse, with their live weights; and the batch, feature by feature.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    /// The live weights of each sparse layer.
    layers: Vec<Option<LiveWeights>>,
    /// Which weights are live, for each layer that is pruned but not sparse.
    marks: Vec<Option<Vec<bool>>>,
    /// What each layer's weight last said about its live weights.
    known: Vec<Option<Arc<Live>>>,
    /// Whether that is news since [`Self::settle`].
    news: Vec<bool>,
    /// `[inputs of the first layer, batch]`: only the rows that the first layer reads.
    inputs: Vec<f32>,
    /// The inputs that a sparse first layer reads, each with its row in `inputs`.
    read: Vec<FeatureRow>,
    /// The same as features of a sample; empty where the layer's inputs are not features.
    features: Vec<FeatureRow>,
}

impl Sparse {
    /// Takes over what hooks have said about live weights since the last step.
    pub(crate) fn follow(&mut self, network: &Mlp, optimizer: &mut optim::State) {
        let count = network.layers().len();
        self.layers.resize_with(count, || None);
        self.marks.resize(count, None);
        self.known.resize(count, None);
        self.news.resize(count, false);
        for index in 0..count {
            let weight = network.layer(index).0;
            let same = match (weight.live(), &self.known[index]) {
                (None, None) => true,
                (Some(now), Some(known)) => Arc::ptr_eq(now, known),
                _ => false,
            };
            if !same {
                self.change(index, network, optimizer);
            }
        }
    }

    fn change(&mut self, index: usize, network: &Mlp, optimizer: &mut optim::State) {
        let weight = network.layer(index).0;
        let parameter = 2 * index;
        if let Some(layer) = self.layers[index].take() {
            layer.give_back(optimizer.moments_mut(parameter));
        }
        self.marks[index] = None;
        self.news[index] = true;
        self.known[index] = weight.live().cloned();
        let Some(live) = weight.live() else {
            return;
        };
        optimizer.forget(parameter, live);
        if is_sparse(weight) {
            let layer = LiveWeights::new(live.clone(), optimizer.moments(parameter));
            tracing::debug!(weight = weight.name(), live = live.len(), "sparse");
            self.layers[index] = Some(layer);
        } else if live.len() < weight.values().len() {
            let mut marks = vec![false; weight.values().len()];
            live.positions().for_each(|position| marks[position] = true);
            self.marks[index] = Some(marks);
        }
        if index == 0 {
            let read = live.live_columns().map(|c| (c as usize, c as usize));
            self.read = read.collect();
            self.features = features(network.chain(), &self.read);
        }
    }

    /// Whether any layer is sparse, so that activations lie feature by feature.
    pub(crate) fn any(&self) -> bool {
        self.layers.iter().any(Option::is_some)
    }

    /// The live weights of layer `index`, where it is sparse.
    pub(crate) fn layer(&self, index: usize) -> Option<&LiveWeights> {
        self.layers.get(index).and_then(Option::as_ref)
    }

    /// The live weights of each sparse layer, to change; no more layers than it knows of.
    pub(crate) fn layers_mut(&mut self) -> &mut [Option<LiveWeights>] {
        &mut self.layers
    }

    /// Sets weights that are not live to zero again, whatever hooks have done since the backward
    /// pass. A hook that swapped the weights out before they were pruned has put all of them back.
    pub(crate) fn settle(&mut self, network: &mut Mlp) -> Result<()> {
        for (index, news) in self.news.iter_mut().enumerate() {
            let weight = network.layer_mut(index).0;
            if let Some(Some(marks)) = self.marks.get(index) {
                zero_where(weight.gradient_mut(), marks)?;
            }
            if std::mem::take(news) {
                let live = weight.live().cloned();
                weight.set_live(live)?;
            }
        }
        Ok(())
    }

    /// Zeroes the gradient of the dead weights of layer `index`, after a dense product.
    pub(crate) fn mask_gradient(&self, index: usize, weight: &mut Parameter) -> Result<()> {
        match self.marks.get(index) {
            Some(Some(marks)) => zero_where(weight.gradient_mut(), marks),
            _ => Ok(()),
        }
    }

    /// Writes all moments back to `optimizer`, as a checkpoint needs them.
    pub(crate) fn give_back(&self, optimizer: &mut optim::State) {
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(layer) = layer {
                layer.give_back(optimizer.moments_mut(2 * index));
            }
        }
    }

    /// Reads the values of all sparse layers.
    pub(crate) fn gather_values(&mut self, network: &Mlp) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            if let Some(layer) = layer {
                layer.gather_values(network.layer(index).0);
            }
        }
    }

    /// Takes the batch `[rows, inputs]`, feature by feature, where the first layer is sparse.
    pub(crate) fn set_inputs(&mut self, batch: ArrayView2<'_, f32>) -> Result<()> {
        if self.layer(0).is_none() {
            return Ok(());
        }
        let (rows, inputs) = batch.dim();
        self.inputs.resize(rows * inputs, 0.0);
        let out = ArrayViewMut2::from_shape((inputs, rows), &mut self.inputs);
        let values = batch.as_slice().unwrap_or_default();
        let samples: Vec<&[f32]> = values.chunks_exact(inputs.max(1)).collect();
        let out = out.map_err(Error::other)?;
        gather_by_feature(&samples, |value| value, &self.read, out)
    }

    /// Whether the first layer reads few features, as they are.
    pub(crate) fn reads_features(&self) -> bool {
        self.layer(0).is_some() && !self.features.is_empty()
    }

    /// Takes the samples `indices` of `epoch` as a first layer of `inputs` inputs reads them.
    pub(crate) fn read_inputs(
        &mut self,
        data: &dyn FeatureMajor,
        epoch: u64,
        indices: &[usize],
        inputs: usize,
    ) -> crate::Result<()> {
        let rows = indices.len();
        self.inputs.resize(rows * inputs, 0.0);
        let out = ArrayViewMut2::from_shape((inputs, rows), &mut self.inputs);
        data.fill_by_feature(epoch, indices, &self.features, out.map_err(Error::other)?)?;
        for &(feature, row) in &self.features {
            let values = &self.inputs[row * rows..(row + 1) * rows];
            if !all_finite(values) {
                let position = values.iter().position(|v| !v.is_finite()).unwrap_or(0);
                return Err(crate::Error::Sample {
                    sample: indices[position],
                    feature,
                    value: values[position],
                });
            }
        }
        Ok(())
    }

    /// The batch as `[inputs, rows]`: what [`Self::set_inputs`] took of it, or a view of all.
    pub(crate) fn inputs<'a>(&'a self, batch: ArrayView2<'a, f32>) -> Result<ArrayView2<'a, f32>> {
        match self.layer(0) {
            Some(_) => {
                let shape = (batch.ncols(), batch.nrows());
                ArrayView2::from_shape(shape, &self.inputs).map_err(Error::other)
            }
            None => Ok(batch.reversed_axes()),
        }
    }

    /// Writes the gradient of the weight of the first layer, from that of its outputs `[n, rows]`
    /// and the batch `[rows, inputs]`.
    pub(crate) fn backward_first_weights(
        &mut self,
        dy: ArrayView2<'_, f32>,
        batch: ArrayView2<'_, f32>,
        weight: &mut Parameter,
    ) -> Result<()> {
        // Taken out while the layer's gradient is written, since that borrows the layer.
        let inputs = std::mem::take(&mut self.inputs);
        let x = match self.layer(0) {
            Some(_) => ArrayView2::from_shape((batch.ncols(), batch.nrows()), &inputs),
            None => Ok(batch.reversed_axes()),
        };
        let done = x.map_err(Error::other);
        let done = done.and_then(|x| self.backward_weights(0, dy, x, weight));
        self.inputs = inputs;
        done
    }

    /// Writes the gradient of the weight of layer `index`, from that of its outputs `[n, rows]`
    /// and its inputs `[k, rows]`.
    pub(crate) fn backward_weights(
        &mut self,
        index: usize,
        dy: ArrayView2<'_, f32>,
        x: ArrayView2<'_, f32>,
        weight: &mut Parameter,
    ) -> Result<()> {
        match &mut self.layers[index] {
            Some(layer) => {
                sparse_layer::backward_weights(&layer.live, dy, x, &mut layer.gradient)?;
                layer.scatter_gradient(weight);
            }
            None => {
                let shape = (dy.nrows(), x.nrows());
                let gradient = ArrayViewMut2::from_shape(shape, weight.gradient_mut());
                let gradient = gradient.map_err(Error::other)?;
                gemm(dy, x.reversed_axes(), Init::Zero, gradient)?;
                self.mask_gradient(index, weight)?;
            }
        }
        Ok(())
    }
}

/// The features behind the inputs that the first layer reads; none behind a front.
fn features(chain: &Architecture, read: &[FeatureRow]) -> Vec<FeatureRow> {
    let read = read.iter().map(|&(input, row)| match &chain.selected {
        Some(selected) => (selected[input] as usize, row),
        None => (input, row),
    });
    read.filter(|_| chain.front.is_none()).collect()
}
