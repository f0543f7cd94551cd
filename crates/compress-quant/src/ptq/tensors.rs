//! Post-training quantization of a model's tensors, and reading them back.

use compress_core::codec::Tensor;
use compress_core::parameters::{self, Parameters};
use compress_core::tensor::{Role, TensorRef};
use compress_core::{Error, Result};

use crate::schemes::Scheme;

/// What happens to the tensors that are no weights, such as biases. There are few of their values,
/// and an error in one affects every sample.
#[derive(Clone, Copy)]
pub enum Others<'a> {
    /// They stay in full precision.
    Float,
    /// Biases are quantized too; the rest stays in full precision.
    Biases(&'a dyn Scheme),
}

/// Post-training quantization (PTQ): quantizes every weight of `model` by one scheme, and what is no
/// weight as `others` says. Weights may have any rank. One tensor is given for each of the model's.
///
/// # Errors
/// Where there is no weight, or a tensor holds a NaN or an infinity.
///
/// ```
/// use compress_quant::ptq::{ErrorReport, Others, quantize_model};
/// use compress_quant::schemes::{Settings, by_name};
/// use compress_quant::{Granularity, Lent};
/// use ndarray::Array4;
///
/// let value = |(o, i, y, x)| ((o * 27 + i * 9 + y * 3 + x) * 37 % 101) as f32 / 50.0 - 1.0;
/// let mut weight = Array4::from_shape_fn((16, 3, 3, 3), value);
/// let model = Lent::new().weight("conv.weight", weight.view_mut())?;
///
/// let settings = Settings {
///     bits: Some(8),
///     granularity: Some(Granularity::Channel),
///     ..Settings::default()
/// };
/// let scheme = by_name("linear_symmetric", &settings)?;
/// let tensors = quantize_model(&model, scheme.as_ref(), Others::Float)?;
/// let report = ErrorReport::of_tensors(&model, &tensors)?;
/// assert!(report.tensors[0].sqnr_db > 40.0);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn quantize_model(
    model: &(impl Parameters + ?Sized),
    weights: &dyn Scheme,
    others: Others<'_>,
) -> Result<Vec<Tensor>> {
    let mut has_weights = false;
    let tensors = encode_each(model, &mut |tensor| {
        has_weights |= tensor.role == Role::Weight;
        let scheme = match (tensor.role, others) {
            (Role::Weight, _) => weights,
            (Role::Bias, Others::Biases(scheme)) => scheme,
            _ => return Ok(None),
        };
        let TensorRef {
            name,
            shape,
            values,
            ..
        } = tensor;
        let codec = scheme.fit(name, values, shape)?;
        let bits = codec.size_bits(values.len());
        tracing::debug!(tensor = name, scheme = scheme.name(), bits, "quantized");
        codec.encode(name, values, shape).map(Some)
    })?;
    match has_weights {
        true => Ok(tensors),
        false => Err(Error::Empty {
            what: "the list of weights to quantize".into(),
        }),
    }
}

/// Replaces the tensors of `model` by the decoded `tensors`. So a model of the same tensors can be
/// measured as the compressed one.
///
/// # Errors
/// Where a tensor of one is missing from the other, a shape differs, or a tensor does not decode.
/// Nothing is changed then.
pub fn load_into(tensors: &[Tensor], model: &mut (impl Parameters + ?Sized)) -> Result<()> {
    let mut decoded: Vec<(&str, Vec<f32>)> = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let name = tensor.name();
        if decoded.iter().any(|(other, _)| *other == name) {
            let found = format!("{name} again");
            return Err(Error::invalid("a tensor's name", found, "one of each name"));
        }
        parameters::with(model, name, |found| {
            Error::check_shape(name, found.shape, tensor.shape())
        })?;
        tensor.validate()?;
        decoded.push((name, tensor.values()?));
    }
    let expected = parameters::names(model)?.len();
    Error::check_shape("the list of tensors", &[expected], &[tensors.len()])?;
    model.visit_mut(&mut |tensor| {
        if let Some((_, values)) = decoded.iter().find(|(name, _)| *name == tensor.name) {
            tensor.values.copy_from_slice(values);
        }
        Ok(())
    })
}

/// The tensors of `model`, in its order. `encode` turns each into codes; where it returns nothing,
/// the tensor stays in full precision.
pub(crate) fn encode_each(
    model: &(impl Parameters + ?Sized),
    encode: &mut dyn FnMut(TensorRef<'_>) -> Result<Option<Tensor>>,
) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    model.visit(&mut |tensor| {
        tensor.check_finite()?;
        tensors.push(match encode(tensor)? {
            Some(tensor) => tensor,
            None => Tensor::Float {
                name: tensor.name.to_owned(),
                shape: tensor.shape.to_vec(),
                values: tensor.values.to_vec(),
            },
        });
        Ok(())
    })?;
    Ok(tensors)
}
