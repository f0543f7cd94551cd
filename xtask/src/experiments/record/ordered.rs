//! The hidden neurons of a finished file in the order in which it is shortest.

use compress_core::artifact::{Artifact, Tensor};
use compress_core::network::{Network, Parameter};
use compress_core::{Error, Result};
use compress_nn::Mlp;
use compress_prune::improve_order;
use ndarray::Array2;

/// `artifact` with each neuron moved by up to `window` places where that makes the file shorter.
/// Its predictions keep their bits, as all of its numbers are whole.
pub(super) fn ordered(
    artifact: &Artifact,
    window: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Artifact> {
    let mut codes = codes(artifact)?;
    let layers = &artifact.architecture.layers;
    let hidden = layers.iter().take(layers.len() - 1);
    let trials = 2 * window * hidden.map(|layer| layer.outputs).sum::<usize>();
    let mut done = 0;
    improve_order(&mut codes, window, &mut |codes| {
        done += 1;
        progress(done, trials);
        bytes(&with_codes(artifact, codes))
    })
    .map_err(Error::other)?;
    Ok(with_codes(artifact, &codes))
}

/// What the file takes, to fractions of a byte where its parts say so.
fn bytes(artifact: &Artifact) -> Result<f64> {
    match artifact.parts()? {
        Some(parts) => Ok(parts.iter().map(|(_, bytes)| bytes).sum()),
        None => Ok(artifact.to_bytes()?.0.len() as f64),
    }
}

/// A network whose values are the codes, which f32 holds exactly.
fn codes(artifact: &Artifact) -> Result<Mlp> {
    let parameter = |tensor: &Tensor| {
        let values: Vec<f32> = match tensor {
            Tensor::Quantized(tensor) => tensor.codes.iter().map(|&c| c as f32).collect(),
            Tensor::Float { values, .. } => values.clone(),
        };
        match *tensor.shape() {
            [n, k] => {
                let matrix = Array2::from_shape_vec((n, k), values).map_err(Error::other)?;
                Ok(Parameter::weight(tensor.name(), matrix))
            }
            _ => Ok(Parameter::bias(tensor.name(), values)),
        }
    };
    let parameters = artifact.tensors.iter().map(parameter);
    let parameters = parameters.collect::<Result<_>>()?;
    Mlp::from_parts(artifact.architecture.clone(), parameters).map_err(Error::other)
}

/// The reverse.
fn with_codes(artifact: &Artifact, codes: &dyn Network) -> Artifact {
    let mut artifact = artifact.clone();
    for (tensor, parameter) in artifact.tensors.iter_mut().zip(codes.parameters()) {
        match tensor {
            Tensor::Quantized(tensor) => {
                tensor.codes = parameter.values().iter().map(|&c| c as i32).collect();
            }
            Tensor::Float { values, .. } => *values = parameter.values().to_vec(),
        }
    }
    artifact
}
