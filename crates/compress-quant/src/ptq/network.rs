//! Post-training quantization of a network, and reading it back.

use compress_core::codec::Tensor;
use compress_core::network::{Network, Parameter, Role};
use compress_core::{Error, Result};

use crate::schemes::Scheme;

/// What happens to the biases. There are few of them, and an error in one affects every sample.
#[derive(Clone, Copy)]
pub enum BiasTreatment<'a> {
    /// They stay in full precision.
    Float,
    /// They are quantized too.
    Scheme(&'a dyn Scheme),
}

/// Post-training quantization (PTQ): quantizes every weight of `network` by one scheme, and the
/// biases as `biases` says.
///
/// # Errors
/// Where a parameter holds a NaN or an infinity.
///
/// ```no_run
/// use compress_core::network::Network;
/// use compress_quant::ptq::{BiasTreatment, ErrorReport, quantize_network};
/// use compress_quant::schemes::{Settings, by_name};
///
/// # fn run(network: &dyn Network) -> compress_core::Result<()> {
/// let scheme = by_name("linear_symmetric", &Settings::default())?;
/// let tensors = quantize_network(network, scheme.as_ref(), BiasTreatment::Float)?;
/// let report = ErrorReport::of_tensors(network, &tensors)?;
/// println!("{report}");
/// # Ok(()) }
/// ```
pub fn quantize_network(
    network: &dyn Network,
    weights: &dyn Scheme,
    biases: BiasTreatment<'_>,
) -> Result<Vec<Tensor>> {
    encode_each(network, |parameter| {
        let scheme = match (parameter.role(), biases) {
            (Role::Weight, _) => weights,
            (Role::Bias, BiasTreatment::Scheme(scheme)) => scheme,
            (Role::Bias, BiasTreatment::Float) => return Ok(None),
        };
        let (name, values, shape) = (parameter.name(), parameter.values(), parameter.shape());
        let codec = scheme.fit(name, values, shape)?;
        let bits = codec.size_bits(values.len());
        tracing::debug!(tensor = name, scheme = scheme.name(), bits, "quantized");
        Ok(Some(codec.encode(name, values, shape)?))
    })
}

/// Replaces the parameters of `network` by the decoded `tensors`. So a network of the same layers
/// can be measured as the compressed one.
///
/// # Errors
/// Where a parameter has no tensor or a tensor no parameter, a shape differs, or a tensor does not
/// decode. Nothing is changed then.
pub fn load_into(tensors: &[Tensor], network: &mut dyn Network) -> Result<()> {
    let (found, expected) = (tensors.len(), network.parameters().len());
    Error::check_shape("the list of tensors", &[expected], &[found])?;
    let mut decoded: Vec<(&str, Vec<f32>)> = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let name = tensor.name();
        if decoded.iter().any(|(other, _)| *other == name) {
            let expected = "a tensor for each parameter";
            return Err(Error::invalid(
                "a tensor's name",
                format!("{name} again"),
                expected,
            ));
        }
        Error::check_shape(name, network.parameter(name)?.shape(), tensor.shape())?;
        tensor.validate()?;
        decoded.push((name, tensor.values()?));
    }
    for parameter in network.parameters_mut() {
        if let Some((_, values)) = decoded.iter().find(|d| d.0 == parameter.name()) {
            parameter.values_mut().copy_from_slice(values);
        }
    }
    Ok(())
}

/// The tensors of `network`, in its order. `encode` turns each parameter into codes; where it
/// returns nothing, the parameter stays in full precision.
pub(crate) fn encode_each(
    network: &dyn Network,
    encode: impl Fn(&Parameter) -> Result<Option<Tensor>>,
) -> Result<Vec<Tensor>> {
    let tensors = network.parameters().into_iter().map(|parameter| {
        Ok(match encode(parameter)? {
            Some(tensor) => tensor,
            None => full_precision(parameter)?,
        })
    });
    tensors.collect()
}

fn full_precision(parameter: &Parameter) -> Result<Tensor> {
    Error::check_finite(parameter.name(), parameter.values())?;
    Ok(Tensor::Float {
        name: parameter.name().to_owned(),
        shape: parameter.shape().to_vec(),
        values: parameter.values().to_vec(),
    })
}
