//! A loaded model.

use ndarray::ArrayView2;

use super::arithmetic::Arithmetic;
use super::layer::Layer;
use super::one_row::OneRow;
use super::weight::LayerKernel;
use crate::artifact::Artifact;
use compress_core::chain::Architecture;
use compress_core::{Error, Result};

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
    pub(super) architecture: Architecture,
    pub(super) layers: Vec<Layer>,
    /// The same layers for single rows, where they are small and of whole numbers.
    pub(super) one_row: Option<OneRow>,
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
        let layers = artifact
            .layers()
            .map(|(spec, weight, bias)| Layer::new(spec, weight, bias, arithmetic));
        Ok(Runtime {
            layers: layers.collect::<Result<_>>()?,
            architecture: artifact.architecture,
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

    /// The time of a row, as a number of multiply-adds of floats; approximate.
    pub(super) fn multiply_adds(&self) -> usize {
        let of_layers = self.layers.iter().map(Layer::multiply_adds);
        of_layers.fold(0, usize::saturating_add)
    }

    /// Whether the first layer quantizes all features, and so looks at each.
    pub(super) fn quantizes_inputs(&self) -> bool {
        let first = self.layers.first().map(Layer::kernel);
        self.architecture.reads_features() && first == Some(LayerKernel::DenseI8)
    }

    pub(super) fn check(&self, inputs: &ArrayView2<'_, f32>) -> Result<()> {
        let expected = [inputs.nrows(), self.architecture.features];
        Error::check_shape("inputs", &expected, inputs.shape())
    }
}
