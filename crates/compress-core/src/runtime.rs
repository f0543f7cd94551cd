//! Runs a compressed model: bytes in, predictions out, without any training code.
//!
//! Weights are turned into f32 once, when the model is loaded, and a prediction is as many f32
//! matrix products as there are layers: bit for bit what a network with these parameters
//! computes. Kernels that work on the codes themselves are not used yet, so a loaded model takes
//! 4 bytes of memory a parameter, however small its file is.

use ndarray::{Array2, ArrayView2, Axis};

use crate::artifact::{Artifact, Tensor};
use crate::kernels::gemm_f32::{Init, PackedB, gemm_packed};
use crate::network::{Activation, Architecture};
use crate::ops::elementwise;
use crate::{Error, Result};

/// A loaded model.
///
/// ```
/// use compress_core::artifact::{Artifact, Tensor};
/// use compress_core::network::{Activation, Architecture};
/// use compress_core::runtime::Runtime;
/// use ndarray::array;
///
/// let float = |name: &str, shape: &[usize], values: &[f32]| Tensor::Float {
///     name: name.into(),
///     shape: shape.to_vec(),
///     values: values.to_vec(),
/// };
/// let artifact = Artifact {
///     architecture: Architecture::mlp(&[2, 3], Activation::Relu)?,
///     tensors: vec![
///         float("layers.0.weight", &[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
///         float("layers.0.bias", &[3], &[0.0, 0.5, 0.0]),
///     ],
/// };
/// let (bytes, _) = artifact.to_bytes()?;
/// let model = Runtime::from_bytes(&bytes)?;
/// assert_eq!(model.predict(array![[2.0, 1.0]].view())?, array![[2.0, 1.5, 3.0]]);
/// assert_eq!(model.predict_classes(array![[2.0, 1.0]].view())?, [2]);
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Runtime {
    architecture: Architecture,
    layers: Vec<Layer>,
}

/// The decoded parameters of one layer.
#[derive(Clone, Debug)]
struct Layer {
    /// `[inputs, outputs]`, laid out for the product.
    weight: PackedB,
    bias: Vec<f32>,
    activation: Activation,
}

impl Runtime {
    /// Loads the bytes of a `.cmp` file.
    ///
    /// # Errors
    /// Those of [`Artifact::from_bytes`] and [`Runtime::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::new(Artifact::from_bytes(bytes)?)
    }

    /// Prepares a decoded artifact.
    ///
    /// # Errors
    /// Those of [`Artifact::validate`]; [`Error::NonFinite`] where a code stands for a value that
    /// overflows f32.
    pub fn new(artifact: Artifact) -> Result<Self> {
        artifact.validate()?;
        let Artifact {
            architecture,
            tensors,
        } = artifact;
        let layers = architecture
            .layers
            .iter()
            .zip(tensors.chunks_exact(2))
            .map(|(spec, pair)| {
                let weight = decode(&pair[0])?;
                let weight = Array2::from_shape_vec((spec.outputs, spec.inputs), weight)
                    .map_err(Error::other)?;
                Ok(Layer {
                    weight: PackedB::pack(weight.t()),
                    bias: decode(&pair[1])?,
                    activation: spec.activation,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Runtime {
            architecture,
            layers,
        })
    }

    /// The chain of layers, and which features feed it.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Logits `[batch, outputs]` of `inputs` `[batch, features]`. An empty batch gives no rows.
    ///
    /// # Errors
    /// [`Error::Shape`] where the number of features differs, [`Error::NonFinite`] where an input
    /// is NaN or infinite, which names its row and column.
    pub fn predict(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.check(&inputs)?;
        let Some((first, rest)) = self.layers.split_first() else {
            return Ok(Array2::zeros((inputs.nrows(), 0)));
        };
        let mut hidden = match &self.architecture.selected {
            None => first.forward(inputs)?,
            Some(selected) => {
                let selected: Vec<usize> = selected.iter().map(|&i| i as usize).collect();
                first.forward(inputs.select(Axis(1), &selected).view())?
            }
        };
        for layer in rest {
            hidden = layer.forward(hidden.view())?;
        }
        Ok(hidden)
    }

    /// For each row of `inputs` `[batch, features]` the number of its largest logit; of equals,
    /// the lowest.
    ///
    /// # Errors
    /// As [`Runtime::predict`].
    pub fn predict_classes(&self, inputs: ArrayView2<'_, f32>) -> Result<Vec<u32>> {
        let logits = self.predict(inputs)?;
        Ok(logits
            .rows()
            .into_iter()
            .map(|row| largest(row.iter()))
            .collect())
    }

    fn check(&self, inputs: &ArrayView2<'_, f32>) -> Result<()> {
        let expected = [inputs.nrows(), self.architecture.features];
        Error::check_shape("inputs", &expected, inputs.shape())?;
        match inputs.indexed_iter().find(|(_, x)| !x.is_finite()) {
            None => Ok(()),
            Some(((row, column), &value)) => Err(Error::NonFinite {
                what: format!("row {row} of the inputs"),
                index: column,
                value,
            }),
        }
    }
}

impl Layer {
    /// `activation(x · weightᵀ + bias)`, `[batch, outputs]`.
    fn forward(&self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let mut y = Array2::zeros((x.nrows(), self.bias.len()));
        gemm_packed(x, &self.weight, Init::Bias(&self.bias), y.view_mut())?;
        let values = y.as_slice_mut().unwrap_or_default();
        match self.activation {
            Activation::Identity => {}
            Activation::Relu => elementwise::relu(values)?,
            Activation::Gelu => elementwise::gelu(values)?,
            Activation::Tanh => elementwise::tanh(values)?,
        }
        Ok(y)
    }
}

/// The tensor's values, which must be finite: a scale may be so large that a code overflows.
fn decode(tensor: &Tensor) -> Result<Vec<f32>> {
    let values = tensor.values()?;
    Error::check_finite(tensor.name(), &values)?;
    Ok(values)
}

/// The position of the first of the largest values.
fn largest<'a>(values: impl Iterator<Item = &'a f32>) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &value) in (0..).zip(values) {
        if value > best.1 {
            best = (i, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests;
