//! An [`Mlp`] from and to the tensors of a compressed model.

use compress_core::Error;
use compress_core::chain::Architecture;
use compress_core::codec::Tensor;
use compress_core::network::Parameter;

use super::{Mlp, weight_parameter};
use crate::Result;

impl Mlp {
    /// The network of these tensors, in any order, with codes replaced by their values.
    ///
    /// # Errors
    /// Where a tensor is missing, unknown, of another shape or off its grid.
    pub fn from_tensors(architecture: Architecture, tensors: &[Tensor]) -> Result<Self> {
        architecture.check_tensors(tensors)?;
        let find = |wanted: String| match tensors.iter().find(|t| t.name() == wanted) {
            Some(tensor) => tensor.values(),
            None => Err(Error::UnknownTensor {
                name: wanted,
                known: String::new(),
            }),
        };
        let mut parameters = Vec::new();
        for layer in &architecture.layers {
            parameters.push(weight_parameter(layer, find(layer.weight_name())?)?);
            parameters.push(Parameter::bias(layer.bias_name(), find(layer.bias_name())?));
        }
        Mlp::from_parts(architecture, parameters)
    }

    /// Every parameter in full precision, in order.
    pub fn to_tensors(&self) -> Vec<Tensor> {
        let tensor = |p: &Parameter| Tensor::Float {
            name: p.name().to_owned(),
            shape: p.shape().to_vec(),
            values: p.values().to_vec(),
        };
        self.parameters().into_iter().map(tensor).collect()
    }
}
