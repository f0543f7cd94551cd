//! The multi-layer perceptron.

mod edit;
mod network;
mod tensors;

use compress_core::chain::Front;
use compress_core::network::{Activation, Architecture, LayerSpec, Parameter};
use compress_core::rng;
use ndarray::Array2;

use crate::{Init, Result};

/// A multi-layer perceptron: a chain of dense layers with their parameters.
///
/// Weights are `[out_features, in_features]`, named as PyTorch names them (`layers.0.weight`).
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    architecture: Architecture,
    /// For each layer its weight and its bias.
    parameters: Vec<Parameter>,
}

impl Mlp {
    /// A network through `widths` (features first, classes last), with `hidden` after every
    /// layer but the last. Each weight is drawn from its own random stream under `stream`.
    ///
    /// # Errors
    /// Where there are fewer than two widths or one is zero.
    pub fn new(
        widths: &[usize],
        hidden: Activation,
        init: Init,
        seed: u64,
        stream: &str,
    ) -> Result<Self> {
        let architecture = Architecture::mlp(widths, hidden)?;
        check_size(&architecture)?;
        let mut parameters = Vec::new();
        for layer in &architecture.layers {
            let name = layer.weight_name();
            let mut stream = rng::stream(seed, &format!("{stream}.{name}"));
            let weight = init.draw(layer.inputs, layer.outputs, &mut stream)?;
            parameters.push(weight_parameter(layer, weight)?);
            parameters.push(Parameter::bias(layer.bias_name(), vec![0.0; layer.outputs]));
        }
        Ok(Mlp {
            architecture,
            parameters,
        })
    }

    /// A network of the given parameters: each layer's weight, then its bias, first layer first.
    ///
    /// # Errors
    /// Where the architecture is not a chain, or a parameter is missing, misnamed, of another
    /// shape, or holds a value that is not finite.
    pub fn from_parts(architecture: Architecture, parameters: Vec<Parameter>) -> Result<Self> {
        use compress_core::Error;
        architecture.validate()?;
        let wanted: Vec<(String, Vec<usize>)> = architecture
            .layers
            .iter()
            .flat_map(|l| {
                let weight = (l.weight_name(), vec![l.outputs, l.inputs]);
                [weight, (l.bias_name(), vec![l.outputs])]
            })
            .collect();
        Error::check_shape(
            "the list of parameters",
            &[wanted.len()],
            &[parameters.len()],
        )?;
        for ((name, shape), parameter) in wanted.iter().zip(&parameters) {
            if parameter.name() != name {
                let known = wanted.iter().map(|(name, _)| name.as_str());
                return Err(Error::UnknownTensor {
                    name: parameter.name().to_owned(),
                    known: known.collect::<Vec<_>>().join(", "),
                }
                .into());
            }
            Error::check_shape(name, shape, parameter.shape())?;
            Error::check_finite(name, parameter.values())?;
        }
        Ok(Mlp {
            architecture,
            parameters,
        })
    }

    /// Fails unless the parameters have the architecture's shapes: `Network::parameters_mut` lets a
    /// caller replace them whole.
    pub(crate) fn check_shapes(&self) -> compress_core::Result<()> {
        for (layer, pair) in self.layers().iter().zip(self.parameters.chunks_exact(2)) {
            let weight = [layer.outputs, layer.inputs];
            compress_core::Error::check_shape(pair[0].name(), &weight, pair[0].shape())?;
            compress_core::Error::check_shape(pair[1].name(), &weight[..1], pair[1].shape())?;
        }
        Ok(())
    }

    /// The layers, first to last.
    pub(crate) fn layers(&self) -> &[LayerSpec] {
        &self.architecture.layers
    }

    /// Puts `front` before the network. Until now its samples were already the output of that front
    /// (`Pooling::samples` of `compress-format`).
    ///
    /// # Errors
    /// As [`Architecture::behind`].
    pub fn behind(self, front: impl Front) -> Result<Self> {
        Ok(Mlp {
            architecture: self.architecture.behind(front)?,
            ..self
        })
    }

    /// The chain of layers, and what stands before it.
    pub(crate) fn chain(&self) -> &Architecture {
        &self.architecture
    }

    /// How many features a sample has.
    pub(crate) fn features(&self) -> usize {
        self.architecture.features
    }

    /// Weight and bias of layer `index`, which must exist.
    pub(crate) fn layer(&self, index: usize) -> (&Parameter, &Parameter) {
        (&self.parameters[2 * index], &self.parameters[2 * index + 1])
    }

    /// The same, to change.
    pub(crate) fn layer_mut(&mut self, index: usize) -> (&mut Parameter, &mut Parameter) {
        let (weights, biases) = self.parameters.split_at_mut(2 * index + 1);
        (&mut weights[2 * index], &mut biases[0])
    }

    /// All parameters, to change.
    pub(crate) fn all_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    /// All parameters.
    pub(crate) fn all(&self) -> &[Parameter] {
        &self.parameters
    }
}

/// Fails where a weight would have more values than an allocation can hold.
fn check_size(architecture: &Architecture) -> compress_core::Result<()> {
    /// 2⁴⁰ values are four tebibytes.
    const MOST: usize = 1 << 40;
    for layer in &architecture.layers {
        let values = layer.inputs.checked_mul(layer.outputs);
        if values.is_none_or(|values| values > MOST) {
            return Err(compress_core::Error::invalid(
                format!("size of {}", layer.weight_name()),
                format!("{} x {}", layer.outputs, layer.inputs),
                format!("at most {MOST} values"),
            ));
        }
    }
    Ok(())
}

/// The weight of `layer` from its values, row-major.
fn weight_parameter(layer: &LayerSpec, values: Vec<f32>) -> compress_core::Result<Parameter> {
    let matrix = Array2::from_shape_vec((layer.outputs, layer.inputs), values)
        .map_err(compress_core::Error::other)?;
    Ok(Parameter::weight(layer.weight_name(), matrix))
}
