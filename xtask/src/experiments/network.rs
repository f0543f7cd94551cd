//! A network as a stage stores it.

use std::error::Error;

use compress_core::network::{Architecture, Network, Parameter};
use compress_nn::Mlp;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// A network in full precision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredNetwork {
    architecture: Architecture,
    /// Of each layer its weight, then its bias.
    values: Vec<Vec<f32>>,
}

impl StoredNetwork {
    pub(super) fn of(network: &Mlp) -> Self {
        let values = network.parameters().into_iter();
        StoredNetwork {
            architecture: network.architecture(),
            values: values.map(|p| p.values().to_vec()).collect(),
        }
    }

    /// The network again.
    pub(super) fn network(&self) -> Result<Mlp, Box<dyn Error + Send + Sync>> {
        let mut parameters = Vec::new();
        for (layer, pair) in self.architecture.layers.iter().zip(self.values.chunks(2)) {
            let [weight, bias] = pair else {
                return Err(format!("{} has no bias", layer.name).into());
            };
            let weight = Array2::from_shape_vec((layer.outputs, layer.inputs), weight.clone())?;
            parameters.push(Parameter::weight(layer.weight_name(), weight));
            parameters.push(Parameter::bias(layer.bias_name(), bias.clone()));
        }
        Ok(Mlp::from_parts(self.architecture.clone(), parameters)?)
    }

    /// All weights, layer by layer.
    pub(super) fn weights(&self) -> impl Iterator<Item = (&str, &[f32])> {
        let names = self.architecture.layers.iter().map(|l| l.name.as_str());
        names.zip(self.values.iter().step_by(2).map(Vec::as_slice))
    }
}
