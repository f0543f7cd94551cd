//! Inference: runs a compressed model, from its bytes to predictions, without any training code.
//!
//! Each layer's weights are laid out once, when the model is loaded, for the kernel that suits them
//! ([`LayerKernel`]). Whole batches are never copied between layers. Rows are cut into blocks, by
//! their number alone. A block passes through all layers in buffers that a [`Session`] keeps, so a
//! thread works in its own cache and a call allocates nothing. Up to three rows through a small
//! model of whole numbers take a shorter way (`one_row.rs`), with the same bits.

mod layer;
mod one_row;
mod session;
mod weight;

#[cfg(test)]
mod tests;

use ndarray::{Array2, ArrayView2};

pub use self::session::Session;
pub use self::weight::LayerKernel;

use self::layer::Layer;
use self::one_row::OneRow;
use crate::artifact::Artifact;
use compress_core::network::Architecture;
use compress_core::{Error, Result};

/// The arithmetic of a model's layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// In f32: what a network with the decoded parameters computes, bit for bit but for the sign
    /// of a zero. Weights that are zero are left out where that is faster.
    #[default]
    Exact,
    /// On integers, where a kernel can multiply a layer's codes: codes of 8 bits with a scale for
    /// each tensor or channel, codes of 4 bits with scales for groups, or a codebook of 16 values.
    /// A layer's inputs are rounded to 8 bits, with a scale for each row or, beside 4 bits, for
    /// each 32 values of a row; beside a codebook they stay f32. This is faster, and predictions
    /// may differ a little. Other layers run as with [`Arithmetic::Exact`]. A value that overflows
    /// f32 before a layer of 8 bits is an error.
    Integer,
}

/// A loaded model.
///
/// ```
/// use compress_core::codec::Tensor;
/// use compress_format::artifact::Artifact;
/// use compress_core::network::{Activation, Architecture};
/// use compress_format::runtime::Runtime;
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
    /// The same layers for single rows, where they are small and of whole numbers.
    one_row: Option<OneRow>,
}

impl Runtime {
    /// Loads the bytes of a `.cmp` file.
    ///
    /// # Errors
    /// Those of [`Artifact::from_bytes`] and [`Runtime::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::new(Artifact::from_bytes(bytes)?)
    }

    /// Prepares a decoded artifact, to run with [`Arithmetic::Exact`].
    ///
    /// # Errors
    /// Those of [`Artifact::validate`]; [`Error::NonFinite`] where a code stands for a value that
    /// overflows f32.
    pub fn new(artifact: Artifact) -> Result<Self> {
        Self::with(artifact, Arithmetic::default())
    }

    /// Prepares a decoded artifact.
    ///
    /// # Errors
    /// As [`Runtime::new`].
    pub fn with(artifact: Artifact, arithmetic: Arithmetic) -> Result<Self> {
        artifact.validate()?;
        let one_row = match arithmetic {
            Arithmetic::Exact => OneRow::new(&artifact)?,
            Arithmetic::Integer => None,
        };
        let Artifact {
            architecture,
            tensors,
        } = artifact;
        let layers = architecture
            .layers
            .iter()
            .zip(tensors.chunks_exact(2))
            .map(|(spec, pair)| Layer::new(spec, &pair[0], &pair[1], arithmetic))
            .collect::<Result<_>>()?;
        Ok(Runtime {
            architecture,
            layers,
            one_row,
        })
    }

    /// The architecture: layers, selected features and front.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The kernel that each layer runs on, in order.
    pub fn kernels(&self) -> impl Iterator<Item = LayerKernel> {
        self.layers.iter().map(Layer::kernel)
    }

    /// Makes buffers for many predictions.
    pub fn session(&self) -> Session<'_> {
        Session::new(self)
    }

    /// Logits `[batch, outputs]` of `inputs` `[batch, features]`. An empty batch gives no rows.
    ///
    /// Allocates its buffers; for many calls see [`Runtime::session`].
    ///
    /// [`Error::Shape`] where the number of features differs. [`Error::NonFinite`] where an input
    /// is NaN or infinite, with its row and column; with [`Arithmetic::Integer`] also where the
    /// outputs of a front or of a hidden layer overflow f32, so that the next layer cannot quantize
    /// them. [`Error::Isa`] where `COMPRESS_ISA` asks for what the machine lacks.
    pub fn predict(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let mut logits = Array2::zeros((inputs.nrows(), self.architecture.outputs()));
        self.session().predict_into(inputs, logits.view_mut())?;
        Ok(logits)
    }

    /// For each row of `inputs` `[batch, features]` the number of its largest logit; of equals,
    /// the lowest.
    ///
    /// # Errors
    /// As [`Runtime::predict`].
    pub fn predict_classes(&self, inputs: ArrayView2<'_, f32>) -> Result<Vec<u32>> {
        let mut classes = vec![0; inputs.nrows()];
        self.session().predict_classes_into(inputs, &mut classes)?;
        Ok(classes)
    }

    /// The time of a row, as a number of multiply-adds of floats; approximate.
    fn multiply_adds(&self) -> usize {
        let of_layers = self.layers.iter().map(Layer::multiply_adds);
        of_layers.fold(0, usize::saturating_add)
    }

    /// Whether the first layer quantizes all features, and so looks at each.
    fn quantizes_inputs(&self) -> bool {
        let first = self.layers.first().map(Layer::kernel);
        self.architecture.reads_features() && first == Some(LayerKernel::DenseI8)
    }

    fn check(&self, inputs: &ArrayView2<'_, f32>) -> Result<()> {
        let expected = [inputs.nrows(), self.architecture.features];
        Error::check_shape("inputs", &expected, inputs.shape())
    }
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
