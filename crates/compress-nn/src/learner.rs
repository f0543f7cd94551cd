//! A network that is being trained, as hooks see it.

use compress_core::Error;
use compress_core::gradients::{Gradients, LiveSets};
use compress_core::network::Parameter;
use compress_core::parameters::{Change, Parameters, See};
use compress_core::tensor::TensorRef;

use crate::backprop::Backprop;
use crate::batchwise::Batchwise;
use crate::optim;
use crate::shown::layers_read;
use crate::{Mlp, Result, Settings};

/// The buffers that the steps of a run work in.
pub(crate) struct Workspace {
    /// Buffers for all neurons. With `part`, only what they know of live weights is used.
    pub(crate) whole: Backprop,
    /// Batchwise dropout, where each step trains only some of the neurons.
    pub(crate) part: Option<Batchwise>,
}

impl Workspace {
    /// Buffers for batches of up to `capacity` rows, which also show the loss the values `values`.
    ///
    /// # Errors
    /// Where the network has no such value, or batchwise dropout leaves only a part of it.
    pub(crate) fn new(
        network: &Mlp,
        settings: &Settings,
        values: &[&str],
        capacity: usize,
    ) -> Result<Self> {
        let part = Batchwise::new(network, settings, capacity)?;
        let shown = layers_read(network, values)?;
        if part.is_some() && !shown.is_empty() {
            let what = "batchwise_dropout";
            let expected =
                "unset where the loss reads layers' outputs: a step computes a part of them";
            return Err(Error::invalid(what, true, expected).into());
        }
        let whole = Backprop::new(network, settings, capacity).showing(&shown);
        Ok(Workspace { whole, part })
    }
}

/// A network with what its optimizer remembers.
pub(crate) struct Learner<'a> {
    pub(crate) network: &'a mut Mlp,
    pub(crate) settings: &'a Settings,
    pub(crate) optimizer: &'a mut optim::State,
    pub(crate) workspace: &'a mut Workspace,
}

impl Learner<'_> {
    /// Applies the gradients, and the limits on them and on the weights.
    pub(crate) fn update(&mut self, learning_rate: f32) -> Result<()> {
        let sparse = &mut self.workspace.whole.sparse;
        let clips = self.settings.gradient_clip.is_some();
        for (index, pair) in self.network.pairs_mut().iter_mut().enumerate() {
            // Hooks may have changed it since the backward pass. Of a sparse layer the optimizer reads
            // what is live alone; clipping reads everything.
            if clips || sparse.layer(index).is_none() {
                sparse.zero_dead_gradient(index, &mut pair.weight)?;
            }
        }
        let factor = match self.settings.gradient_clip {
            Some(limit) => optim::clip_factor(&self.network.parameters(), limit)?,
            None => 1.0,
        };
        let layers = self.network.pairs_mut();
        self.optimizer
            .step(layers, sparse.layers_mut(), learning_rate, factor)?;
        if let Some(limit) = self.settings.max_norm {
            for pair in self.network.pairs_mut() {
                optim::limit_rows(&mut pair.weight, limit)?;
            }
        }
        Ok(())
    }
}

impl Parameters for Learner<'_> {
    fn visit(&self, see: &mut See<'_>) -> compress_core::Result<()> {
        self.network.visit(see)
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> compress_core::Result<()> {
        self.network.visit_mut(change)
    }
}

impl Gradients for Learner<'_> {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> compress_core::Result<()> {
        self.network.visit_gradients(change)
    }

    fn visit_second_moments(&self, see: &mut See<'_>) -> compress_core::Result<()> {
        let optim::State {
            weights, biases, ..
        } = &*self.optimizer;
        let sparse = &self.workspace.whole.sparse;
        let mut show = |parameter: &Parameter, values: &[f32]| {
            see(TensorRef {
                values,
                ..parameter.tensor()
            })
        };
        let pairs = self.network.pairs().iter().zip(weights.iter().zip(biases));
        for (index, (pair, (weight, bias))) in pairs.enumerate() {
            if weight.second.is_empty() {
                continue;
            }
            match sparse.layer(index) {
                Some(layer) => show(&pair.weight, &layer.second_moments())?,
                None => show(&pair.weight, &weight.second)?,
            }
            show(&pair.bias, &bias.second)?;
        }
        Ok(())
    }

    /// Dead weights of layers and their gradients stay zero: sparse layers work on the live ones
    /// alone, and others are masked in the backward pass. Biases are not held.
    fn hold(&mut self, live: &LiveSets) -> compress_core::Result<bool> {
        let whole = &mut self.workspace.whole;
        whole.hold(live, self.network, self.optimizer);
        let pairs = self.network.pairs();
        let is_weight = |name: &str| pairs.iter().any(|pair| pair.weight.name() == name);
        Ok(live.names().all(is_weight))
    }
}
