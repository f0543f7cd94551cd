//! The hidden neurons of a finished file in an order in which it is shorter.

use compress_core::codec::{Codes, Grid, Tensor};
use compress_core::network::Parameter;
use compress_core::{Error, Result};
use compress_format::artifact::Artifact;
use compress_nn::Mlp;
use compress_prune::improve_order;
use ndarray::Array2;

/// `artifact`, whose weights and biases are codes of one scale for each tensor, with each hidden
/// neuron moved by up to `window` places where that makes the file shorter. Where all numbers are
/// whole, predictions keep their bits. `progress` is told how many orders of at most how many have
/// been looked at.
pub(super) fn ordered(
    artifact: &Artifact,
    window: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> compress_prune::Result<Artifact> {
    let mut codes = codes(artifact)?;
    let layers = &artifact.architecture.layers;
    let hidden = layers.iter().take(layers.len() - 1);
    let most = 1 + 2 * window * hidden.map(|layer| layer.outputs).sum::<usize>();
    let (mut done, mut trial) = (0, artifact.clone());
    improve_order(&mut codes, window, &mut |codes| {
        done += 1;
        progress(done, most);
        set_codes(&mut trial, codes);
        bytes(&trial)
    })?;
    set_codes(&mut trial, &codes);
    Ok(trial)
}

/// What the file takes, to fractions of a byte where its parts say so.
fn bytes(artifact: &Artifact) -> Result<f64> {
    match artifact.parts()? {
        Some(parts) => Ok(parts.iter().map(|(_, bytes)| bytes).sum()),
        None => Ok(artifact.to_bytes()?.0.len() as f64),
    }
}

/// A network whose values are the codes, which f32 holds exactly: they have 16 bits.
fn codes(artifact: &Artifact) -> Result<Mlp> {
    let parameters = artifact.tensors.iter().map(|tensor| match tensor {
        Tensor::Quantized(tensor)
            if matches!(&tensor.grid, Grid::Linear { scales, .. } if scales.len() == 1) =>
        {
            let values: Vec<f32> = tensor.codes.iter().map(|code| code as f32).collect();
            Ok(match *tensor.shape.as_slice() {
                [n, k] => {
                    let values = Array2::from_shape_vec((n, k), values).map_err(Error::other)?;
                    Parameter::weight(tensor.name.as_str(), values)
                }
                _ => Parameter::bias(tensor.name.as_str(), values),
            })
        }
        other => {
            let (what, found) = match other {
                Tensor::Float { name, .. } => (name, "in full precision"),
                Tensor::Quantized(tensor) => (&tensor.name, "codes of several scales or none"),
                Tensor::Blocks(tensor) => (&tensor.name, "blocks"),
            };
            Err(Error::invalid(what.as_str(), found, "codes of one scale"))
        }
    });
    let parameters = parameters.collect::<Result<_>>()?;
    Mlp::from_parts(artifact.architecture.clone(), parameters).map_err(Error::other)
}

/// Writes the values of a network that [`codes`] gave for this artifact, its neurons in any order,
/// over its codes.
fn set_codes(artifact: &mut Artifact, codes: &Mlp) {
    for (tensor, parameter) in artifact.tensors.iter_mut().zip(codes.parameters()) {
        if let Tensor::Quantized(tensor) = tensor {
            let codes = parameter.values().iter().map(|&value| value as i32);
            tensor.codes = Codes::saturating(tensor.grid.code_range(), codes);
        }
    }
}

#[cfg(test)]
mod tests {
    use compress_core::codec::{Granularity, QuantizedTensor};
    use compress_core::network::{Activation, Architecture};
    use compress_core::rng::{below, stream};
    use compress_format::runtime::Runtime;

    use super::*;

    /// Sparse whole numbers, with `scales` scales for the first weight.
    fn artifact(scales: usize) -> Artifact {
        let architecture = Architecture::mlp(&[49, 20, 12, 4], Activation::Relu).unwrap();
        let mut stream = stream(5, "ordered");
        let mut tensors = Vec::new();
        for layer in &architecture.layers {
            for (name, shape) in [
                (layer.weight_name(), vec![layer.outputs, layer.inputs]),
                (layer.bias_name(), vec![layer.outputs]),
            ] {
                let count = if tensors.is_empty() { scales } else { 1 };
                let codes: Vec<i32> = (0..shape.iter().product())
                    .map(|_: usize| {
                        let code = below(&mut stream, 31) as i32 - 15;
                        if below(&mut stream, 6) == 0 { code } else { 0 }
                    })
                    .collect();
                tensors.push(Tensor::Quantized(QuantizedTensor {
                    codes: Codes::saturating((-15, 15), codes),
                    name,
                    shape,
                    grid: Grid::Linear {
                        bits: 5,
                        granularity: match count {
                            1 => Granularity::Tensor,
                            _ => Granularity::Channel,
                        },
                        scales: vec![1.0; count],
                        zero_points: Vec::new(),
                    },
                }));
            }
        }
        Artifact {
            architecture,
            tensors,
        }
    }

    #[test]
    fn the_file_is_shorter_and_predicts_the_same_bits() {
        let before = artifact(1);
        let (mut calls, mut most) = (0, 0);
        let after = ordered(&before, 5, &mut |done, of| (calls, most) = (done, of)).unwrap();
        assert!(bytes(&after).unwrap() < bytes(&before).unwrap());
        // It is the best order, and not the last that was tried.
        let mut of = |codes: &Mlp| {
            let mut trial = before.clone();
            set_codes(&mut trial, codes);
            bytes(&trial)
        };
        let lowest = improve_order(&mut codes(&before).unwrap(), 5, &mut of).unwrap();
        assert_eq!(bytes(&after).unwrap(), lowest);
        assert!(calls > 200 && calls <= most);
        let inputs = Array2::from_shape_fn((30, 49), |(r, c)| ((r * 31 + c * 7) % 13) as f32);
        let logits = |artifact: &Artifact| {
            let runtime = Runtime::new(artifact.clone()).unwrap();
            runtime.predict(inputs.view()).unwrap()
        };
        assert_eq!(logits(&after), logits(&before));
    }

    #[test]
    fn neurons_with_scales_of_their_own_are_refused() {
        let error = ordered(&artifact(20), 5, &mut |_, _| ()).unwrap_err();
        assert!(error.to_string().contains("layers.0.weight"), "{error}");
    }
}
