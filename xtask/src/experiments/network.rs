//! A network as a stage stores it.

use std::error::Error;

use compress_core::chain::{Architecture, LayerSpec};
use compress_core::codec::Tensor;
use compress_core::network::{Network, Parameter};
use compress_format::artifact::Artifact;
use compress_nn::Mlp;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// A network in full precision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredNetwork {
    features: usize,
    selected: Option<Vec<u32>>,
    layers: Vec<LayerSpec>,
    /// Of each layer its weight, then its bias.
    values: Vec<Vec<f32>>,
}

impl StoredNetwork {
    pub(crate) fn of(network: &Mlp) -> Self {
        // Networks that train read what a front gives; only their files state it.
        let Architecture {
            features,
            selected,
            layers,
            ..
        } = network.architecture();
        let values = network.parameters().into_iter();
        StoredNetwork {
            features,
            selected,
            layers,
            values: values.map(|p| p.values().to_vec()).collect(),
        }
    }

    /// The network again.
    pub(crate) fn network(&self) -> Result<Mlp, Box<dyn Error + Send + Sync>> {
        let mut parameters = Vec::new();
        for (layer, pair) in self.layers.iter().zip(self.values.chunks(2)) {
            let [weight, bias] = pair else {
                return Err(format!("{} has no bias", layer.name).into());
            };
            let weight = Array2::from_shape_vec((layer.outputs, layer.inputs), weight.clone())?;
            parameters.push(Parameter::weight(layer.weight_name(), weight));
            parameters.push(Parameter::bias(layer.bias_name(), bias.clone()));
        }
        let architecture = Architecture {
            features: self.features,
            front: None,
            selected: self.selected.clone(),
            layers: self.layers.clone(),
        };
        Ok(Mlp::from_parts(architecture, parameters)?)
    }

    /// All weights, layer by layer.
    pub(crate) fn weights(&self) -> impl Iterator<Item = (&str, &[f32])> {
        let names = self.layers.iter().map(|l| l.name.as_str());
        names.zip(self.values.iter().step_by(2).map(Vec::as_slice))
    }
}

/// A network as it is, in full precision.
pub(crate) fn float_artifact(network: &Mlp) -> compress_core::Result<Artifact> {
    artifact_of(network, network.to_tensors())
}

/// The model of a network whose parameters are stored as `tensors`.
pub(crate) fn artifact_of(network: &Mlp, tensors: Vec<Tensor>) -> compress_core::Result<Artifact> {
    Artifact::of_chain(network.architecture(), tensors)
}

/// The network of a file.
pub(crate) fn of_file(file: &[u8]) -> compress_nn::Result<Mlp> {
    let artifact = Artifact::from_bytes(file)?;
    Mlp::from_tensors(artifact.architecture, &artifact.tensors)
}
