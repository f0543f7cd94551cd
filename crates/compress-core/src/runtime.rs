//! Runs a compressed model: bytes in, predictions out, without any training code.
//!
//! Weights are dequantized once, on loading; the arithmetic is f32, with the bits of
//! [`crate::kernels::gemm_f32`], so that a loaded model answers as the network it was made of.

use ndarray::{Array2, ArrayView2, Axis};

use crate::artifact::Artifact;
use crate::kernels::gemm_f32::{Init, gemm};
use crate::network::{Activation, Architecture};
use crate::ops::elementwise;
use crate::{Error, Result};

#[cfg(test)]
mod tests;

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

/// One dense layer, ready to run.
#[derive(Clone, Debug)]
struct Layer {
    /// `[outputs, inputs]`.
    weight: Array2<f32>,
    bias: Vec<f32>,
    activation: Activation,
}

impl Runtime {
    /// Loads the bytes of a `.cmp` file.
    ///
    /// # Errors
    /// Where the bytes are not a whole and unchanged file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::new(Artifact::from_bytes(bytes)?)
    }

    /// Prepares a decoded artifact.
    ///
    /// # Errors
    /// Where its tensors do not fit its architecture.
    pub fn new(artifact: Artifact) -> Result<Self> {
        artifact.validate()?;
        let mut layers = Vec::with_capacity(artifact.architecture.layers.len());
        for (spec, pair) in artifact
            .architecture
            .layers
            .iter()
            .zip(artifact.tensors.chunks(2))
        {
            let [weight, bias] = pair else {
                return Err(Error::Empty {
                    what: spec.bias_name(),
                });
            };
            let weight = Array2::from_shape_vec((spec.outputs, spec.inputs), weight.values()?)
                .map_err(Error::other)?;
            let bias = bias.values()?;
            layers.push(Layer {
                weight,
                bias,
                activation: spec.activation,
            });
        }
        Ok(Runtime {
            architecture: artifact.architecture,
            layers,
        })
    }

    /// The chain of layers.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Logits `[batch, outputs]` of `inputs` `[batch, features]`.
    ///
    /// # Errors
    /// Where the number of features differs, or an input is NaN or infinite: the error names its
    /// row.
    pub fn predict(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let rows = inputs.nrows();
        Error::check_shape(
            "inputs",
            &[rows, self.architecture.features],
            inputs.shape(),
        )?;
        for (row, values) in inputs.rows().into_iter().enumerate() {
            if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                let what = format!("row {row} of the inputs");
                return Err(Error::NonFinite {
                    what,
                    index,
                    value: values[index],
                });
            }
        }
        let mut state = match &self.architecture.selected {
            None => inputs.to_owned(),
            Some(selected) => {
                let columns: Vec<usize> = selected.iter().map(|&i| i as usize).collect();
                inputs.select(Axis(1), &columns)
            }
        };
        for layer in &self.layers {
            state = layer.forward(state.view())?;
        }
        Ok(state)
    }

    /// The class with the largest logit for each row; the first of equal ones.
    ///
    /// # Errors
    /// As [`Runtime::predict`].
    pub fn predict_classes(&self, inputs: ArrayView2<'_, f32>) -> Result<Vec<usize>> {
        let logits = self.predict(inputs)?;
        let best = |row: ndarray::ArrayView1<'_, f32>| {
            row.iter()
                .enumerate()
                .fold(0, |best, (i, v)| if *v > row[best] { i } else { best })
        };
        Ok(logits.rows().into_iter().map(best).collect())
    }
}

impl Layer {
    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let mut out = Array2::zeros((inputs.nrows(), self.bias.len()));
        gemm(
            inputs,
            self.weight.t(),
            Init::Bias(&self.bias),
            out.view_mut(),
        )?;
        let values = out.as_slice_mut().unwrap_or_default();
        match self.activation {
            Activation::Identity => {}
            Activation::Relu => elementwise::relu(values)?,
            Activation::Gelu => elementwise::gelu(values)?,
            Activation::Tanh => elementwise::tanh(values)?,
        }
        Ok(out)
    }
}
