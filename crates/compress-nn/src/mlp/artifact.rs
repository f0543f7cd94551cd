//! An [`Mlp`] to and from the compressed model file.

use compress_core::Error;
use compress_core::artifact::{Artifact, Tensor};
use compress_core::network::Parameter;

use super::{Mlp, weight_parameter};
use crate::Result;

impl Mlp {
    /// The network that an artifact holds, with codes replaced by their values.
    ///
    /// # Errors
    /// Where a tensor is missing, unknown, of another shape or off its grid.
    pub fn from_artifact(artifact: &Artifact) -> Result<Self> {
        let architecture = artifact.architecture.clone();
        architecture.validate()?;
        let known = || artifact.tensors.iter().map(name).collect::<Vec<_>>();
        let find = |wanted: String, shape: &[usize]| {
            let found = artifact.tensors.iter().find(|t| name(t) == wanted);
            match found {
                Some(tensor) => values(tensor, shape),
                None => Err(Error::UnknownTensor {
                    name: wanted,
                    known: known().join(", "),
                }),
            }
        };
        let mut parameters = Vec::new();
        for layer in &architecture.layers {
            let weight = find(layer.weight_name(), &[layer.outputs, layer.inputs])?;
            parameters.push(weight_parameter(layer, weight)?);
            let bias = find(layer.bias_name(), &[layer.outputs])?;
            parameters.push(Parameter::bias(layer.bias_name(), bias));
        }
        Error::check_shape("tensors", &[parameters.len()], &[artifact.tensors.len()])?;
        Mlp::from_parts(architecture, parameters)
    }

    /// The network as an artifact, every tensor in full precision.
    pub fn to_artifact(&self) -> Artifact {
        let tensor = |p: &Parameter| Tensor::Float {
            name: p.name().to_owned(),
            shape: p.shape().to_vec(),
            values: p.values().to_vec(),
        };
        Artifact {
            architecture: self.architecture.clone(),
            tensors: self.parameters.iter().map(tensor).collect(),
        }
    }
}

fn name(tensor: &Tensor) -> &str {
    match tensor {
        Tensor::Float { name, .. } => name,
        Tensor::Quantized(tensor) => &tensor.name,
    }
}

fn values(tensor: &Tensor, shape: &[usize]) -> compress_core::Result<Vec<f32>> {
    match tensor {
        Tensor::Float {
            name,
            shape: found,
            values,
        } => {
            Error::check_shape(name, shape, found)?;
            Error::check_shape(name, &[shape.iter().product()], &[values.len()])?;
            Ok(values.clone())
        }
        Tensor::Quantized(tensor) => {
            Error::check_shape(&tensor.name, shape, &tensor.shape)?;
            tensor.validate()?;
            tensor.dequantize()
        }
    }
}
