//! A network that is being trained, as hooks see it.

use compress_core::gradients::{Gradients, LiveSets};
use compress_core::parameters::{Change, Parameters, See};
use compress_core::tensor::TensorRef;

use crate::backprop::Backprop;
use crate::batchwise::Batchwise;
use crate::optim::{self, moments::Moments};
use crate::{Mlp, Result, Settings};

/// The buffers that the steps of a run work in.
pub(crate) struct Workspace {
    /// Buffers for all neurons. With `part`, only what they know of live weights is used.
    pub(crate) whole: Backprop,
    /// Batchwise dropout, where each step trains only some of the neurons.
    pub(crate) part: Option<Batchwise>,
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
        for (index, pair) in self.network.pairs_mut().iter_mut().enumerate() {
            // Hooks may have changed it since the backward pass.
            sparse.mask_gradient(index, &mut pair.weight)?;
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
        let parameters = self.network.parameters_mut().into_iter();
        parameters
            .map(|p| p.gradient_tensor_mut())
            .try_for_each(change)
    }

    fn visit_second_moments(&self, see: &mut See<'_>) -> compress_core::Result<()> {
        let optim::State {
            weights, biases, ..
        } = &*self.optimizer;
        let sparse = &self.workspace.whole.sparse;
        let moments = weights.iter().zip(biases);
        for (index, (pair, (weight, bias))) in self.network.pairs().iter().zip(moments).enumerate()
        {
            if weight.second.is_empty() {
                continue;
            }
            let mut show =
                |tensor: TensorRef<'_>, values: &[f32]| see(TensorRef { values, ..tensor });
            match sparse.layer(index) {
                Some(layer) => {
                    let mut dense = weight.clone();
                    layer.give_back(&mut dense);
                    let Moments { second, .. } = dense;
                    show(pair.weight.tensor(), &second)?;
                }
                None => show(pair.weight.tensor(), &weight.second)?,
            }
            show(pair.bias.tensor(), &bias.second)?;
        }
        Ok(())
    }

    /// Dead weights and their gradients stay zero: sparse layers work on the live ones alone, and
    /// others are masked in the backward pass.
    fn hold(&mut self, live: &LiveSets) -> compress_core::Result<bool> {
        let whole = &mut self.workspace.whole;
        whole.hold(live, self.network, self.optimizer);
        Ok(true)
    }
}
