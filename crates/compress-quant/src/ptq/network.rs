//! Post-training quantization of a network, and reading it back.

use compress_core::artifact::{Artifact, Tensor};
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
/// Where a parameter holds a NaN or an infinity, or the network does not list the parameters of
/// its layers in their order.
///
/// ```no_run
/// use compress_core::network::Network;
/// use compress_quant::ptq::{BiasTreatment, ErrorReport, quantize_network};
/// use compress_quant::schemes::{Settings, by_name};
///
/// # fn run(network: &dyn Network) -> compress_core::Result<()> {
/// let scheme = by_name("linear_symmetric", &Settings::default())?;
/// let artifact = quantize_network(network, scheme.as_ref(), BiasTreatment::Float)?;
/// let report = ErrorReport::of_artifact(network, &artifact)?;
/// println!("{report}");
/// # Ok(()) }
/// ```
pub fn quantize_network(
    network: &dyn Network,
    weights: &dyn Scheme,
    biases: BiasTreatment<'_>,
) -> Result<Artifact> {
    assemble(network, |parameter| {
        let scheme = match (parameter.role(), biases) {
            (Role::Weight, _) => weights,
            (Role::Bias, BiasTreatment::Scheme(scheme)) => scheme,
            (Role::Bias, BiasTreatment::Float) => return Ok(None),
        };
        let (name, values, shape) = (parameter.name(), parameter.values(), parameter.shape());
        let codec = scheme.fit(name, values, shape)?;
        let bits = codec.size_bits(values.len());
        tracing::debug!(tensor = name, scheme = scheme.name(), bits, "quantized");
        Ok(Some(Tensor::Quantized(codec.encode(name, values, shape)?)))
    })
}

/// Replaces the parameters of `network` by the decoded tensors of `artifact`. So a network of the
/// same layers can be measured as the compressed one.
///
/// # Errors
/// Where the architectures differ (the error names the first difference), a parameter has no tensor
/// or a tensor no parameter, a shape differs, or a tensor does not decode. Nothing is changed then.
pub fn load_into(artifact: &Artifact, network: &mut dyn Network) -> Result<()> {
    network.architecture().check_same(&artifact.architecture)?;
    let (found, expected) = (artifact.tensors.len(), network.parameters().len());
    Error::check_shape("tensors of the artifact", &[expected], &[found])?;
    let mut decoded: Vec<(&str, Vec<f32>)> = Vec::with_capacity(artifact.tensors.len());
    for tensor in &artifact.tensors {
        let (name, shape, values) = decode(tensor)?;
        if decoded.iter().any(|(other, _)| *other == name) {
            let expected = "a tensor for each parameter";
            return Err(Error::invalid(
                "a tensor's name",
                format!("{name} again"),
                expected,
            ));
        }
        Error::check_shape(name, network.parameter(name)?.shape(), shape)?;
        Error::check_shape(name, &[shape.iter().product()], &[values.len()])?;
        decoded.push((name, values));
    }
    for parameter in network.parameters_mut() {
        if let Some((_, values)) = decoded.iter().find(|d| d.0 == parameter.name()) {
            parameter.values_mut().copy_from_slice(values);
        }
    }
    Ok(())
}

/// Makes an artifact of `network`. `encode` turns each parameter into codes; where it returns
/// nothing, the parameter stays in full precision.
pub(crate) fn assemble(
    network: &dyn Network,
    encode: impl Fn(&Parameter) -> Result<Option<Tensor>>,
) -> Result<Artifact> {
    let architecture = network.architecture();
    architecture.validate()?;
    let parameters = network.parameters();
    let expected = architecture.layers.iter().flat_map(|layer| {
        [
            (layer.weight_name(), vec![layer.outputs, layer.inputs]),
            (layer.bias_name(), vec![layer.outputs]),
        ]
    });
    let count = 2 * architecture.layers.len();
    Error::check_shape("parameters", &[count], &[parameters.len()])?;
    let mut tensors = Vec::with_capacity(count);
    for (parameter, (name, shape)) in parameters.into_iter().zip(expected) {
        if parameter.name() != name {
            return Err(Error::invalid(
                "a parameter's name",
                parameter.name(),
                format!("{name}, as the layers are in that order"),
            ));
        }
        Error::check_shape(&name, &shape, parameter.shape())?;
        tensors.push(match encode(parameter)? {
            Some(tensor) => tensor,
            None => full_precision(parameter)?,
        });
    }
    Ok(Artifact {
        architecture,
        tensors,
    })
}

/// Name, shape and values of a stored tensor.
pub(super) fn decode(tensor: &Tensor) -> Result<(&str, &[usize], Vec<f32>)> {
    Ok(match tensor {
        Tensor::Float {
            name,
            shape,
            values,
        } => (name, shape, values.clone()),
        Tensor::Quantized(tensor) => {
            tensor.validate()?;
            (&tensor.name, &tensor.shape, tensor.dequantize()?)
        }
    })
}

fn full_precision(parameter: &Parameter) -> Result<Tensor> {
    Error::check_finite(parameter.name(), parameter.values())?;
    Ok(Tensor::Float {
        name: parameter.name().to_owned(),
        shape: parameter.shape().to_vec(),
        values: parameter.values().to_vec(),
    })
}
