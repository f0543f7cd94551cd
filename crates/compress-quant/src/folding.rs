//! Networks of integers. The scales of a quantized network are moved out of its weights
//! ([`fold_steps`]), and its biases are rounded as coarsely as the logits allow ([`round_biases`]).
//!
//! ReLU is positively homogeneous: `relu(s·x) = s·relu(x)` for s > 0. So the step (scale) of a
//! layer's weights can be moved behind the layer: through its activation, through all later layers,
//! and out of the logits, whose order it does not change. What stays are whole numbers, and biases
//! divided by the product of the steps up to their layer.

use compress_core::chain::{Activation, Architecture, LayerSpec};
use compress_core::codec::{Codes, Granularity, Grid, QuantizedTensor, Tensor, sqrt2_power};
use compress_core::{Error, Result};
use ndarray::Array2;

/// Moves the steps of all weights of a chain behind the last layer, so that codes become the
/// weights. `tensors` are the chain's parameters, in any order.
///
/// Returns the new tensors, and the factor by which the logits must be multiplied to equal those of
/// the old ones.
///
/// # Errors
/// Where a parameter has no tensor, a hidden activation is neither ReLU nor the identity, a weight
/// is not on a symmetric linear grid of one scale, or a bias leaves the range of f32.
///
/// # References
/// Nagel, van Baalen, Blankevoort, Welling 2019 (1906.04721), section 4.1, which uses the same
/// homogeneity to equalize ranges.
pub fn fold_steps(chain: &Architecture, tensors: &[Tensor]) -> Result<(Vec<Tensor>, f64)> {
    chain.check_tensors(tensors)?;
    let mut folded = tensors.to_vec();
    let mut scale = 1.0;
    for layer in &chain.layers {
        if !matches!(layer.activation, Activation::Relu | Activation::Identity) {
            let what = format!("activation of {}", layer.name);
            let found = format!("{:?}", layer.activation);
            return Err(Error::invalid(what, found, "ReLU or the identity"));
        }
        scale *= f64::from(take_step(find_mut(&mut folded, &layer.weight_name())?)?);
        let bias = find_mut(&mut folded, &layer.bias_name())?;
        let values = bias.values()?;
        let values = values.iter().map(|&b| (f64::from(b) / scale) as f32);
        *bias = Tensor::Float {
            name: layer.bias_name(),
            shape: vec![layer.outputs],
            values: values.collect(),
        };
        bias.values()
            .and_then(|values| Error::check_finite(&layer.bias_name(), &values))?;
    }
    Ok((folded, scale))
}

/// The tensor of this name, to change.
fn find_mut<'a>(tensors: &'a mut [Tensor], name: &str) -> Result<&'a mut Tensor> {
    let known: Vec<String> = tensors.iter().map(|t| t.name().to_owned()).collect();
    let found = tensors.iter_mut().find(|t| t.name() == name);
    found.ok_or_else(|| Error::UnknownTensor {
        name: name.to_owned(),
        known: known.join(", "),
    })
}

/// Sets the step of a weight to 1 and returns what it was.
fn take_step(weight: &mut Tensor) -> Result<f32> {
    let name = weight.name().to_owned();
    if let Tensor::Quantized(QuantizedTensor {
        grid: Grid::Linear {
            scales,
            zero_points,
            ..
        },
        ..
    }) = weight
        && let [step] = scales.as_mut_slice()
        && zero_points.is_empty()
    {
        return Ok(std::mem::replace(step, 1.0));
    }
    let found = match weight {
        Tensor::Float { .. } => "none".into(),
        Tensor::Quantized(tensor) => format!("{:?}", tensor.grid),
        Tensor::Blocks(tensor) => tensor.format.name().into(),
    };
    let expected = "a symmetric linear one with one scale: quantize with `LearnedStep`";
    Err(Error::invalid(format!("grid of {name}"), found, expected))
}

/// Rounds the biases of a chain to multiples of one step for each layer. `tensors` are the chain's
/// parameters; `predict` gives the logits `[samples, outputs]` of the same samples for each set of
/// them, as a runtime computes them.
///
/// A step is a power of √2: the coarsest one that changes the logits by at most `tolerance` times
/// their spread. The change is the root mean square of the difference from the logits of `tensors`.
/// The spread is the standard deviation of the logits about the mean of their class.
///
/// Layers are rounded from the first to the last, each with those before it already rounded. The
/// allowed squared change is shared out among the layers by their number of biases; what a layer
/// does not use goes to the later ones. So `tolerance` bounds the change of all layers together.
///
/// # Errors
/// Where there are no samples, a parameter has no tensor, the tolerance is not positive, no step
/// within 16 bits is fine enough, or `predict` fails.
pub fn round_biases(
    chain: &Architecture,
    tensors: &[Tensor],
    tolerance: f32,
    predict: &dyn Fn(&[Tensor]) -> Result<Array2<f32>>,
) -> Result<Vec<Tensor>> {
    if !(tolerance.is_finite() && tolerance > 0.0) {
        return Err(Error::invalid(
            "tolerance",
            tolerance,
            "positive and finite",
        ));
    }
    chain.check_tensors(tensors)?;
    let logits = predict(tensors)?;
    if logits.is_empty() {
        let what = "the samples to round biases by".into();
        return Err(Error::Empty { what });
    }
    let allowed = f64::from(tolerance) * spread(&logits);
    let biases = |layers: &[LayerSpec]| layers.iter().map(|l| l.outputs).sum::<usize>() as f64;
    let layers = &chain.layers;
    let mut rounded = tensors.to_vec();
    for (index, layer) in layers.iter().enumerate() {
        // Independent changes add up as squares: each layer may use the share of its biases.
        let share = biases(&layers[..=index]) / biases(layers);
        let name = layer.bias_name();
        let values = find_mut(&mut rounded, &name)?.values()?;
        let bias = coarsest(&name, &values, |tensor| {
            let mut candidate = rounded.clone();
            *find_mut(&mut candidate, &name)? = tensor.clone();
            let found = predict(&candidate)?;
            Ok(root_mean_square(&found, &logits) <= allowed * share.sqrt())
        })?;
        *find_mut(&mut rounded, &name)? = bias;
    }
    Ok(rounded)
}

/// Rounds the values to the coarsest grid that `fine` accepts.
fn coarsest(name: &str, values: &[f32], fine: impl Fn(&Tensor) -> Result<bool>) -> Result<Tensor> {
    let largest = values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    // A step of twice the largest value rounds all of them to zero.
    let start = (-120..=120).find(|&e| sqrt2_power(e) > 2.0 * largest);
    let start = start.unwrap_or(120);
    // The largest code goes from at most 0.5 up to below 2^15: 16 bits with the sign.
    for exponent in (start - 31..=start).rev() {
        let tensor = Tensor::Quantized(on_grid(name, values, sqrt2_power(exponent)));
        if fine(&tensor)? {
            return Ok(tensor);
        }
    }
    let reason = "no step within 16 bits keeps the logits within the tolerance";
    let expected = "a larger tolerance, or samples whose logits differ";
    Err(Error::invalid(
        format!("rounding of {name}"),
        reason,
        expected,
    ))
}

fn on_grid(name: &str, values: &[f32], step: f32) -> QuantizedTensor {
    let codes = values.iter().map(|v| (v / step).round_ties_even() as i32);
    let codes: Vec<i32> = codes.collect();
    let most = codes.iter().map(|c| c.unsigned_abs()).max().unwrap_or(0);
    let bits = (most.max(1).ilog2() + 2).clamp(2, 16) as u8;
    QuantizedTensor {
        name: name.to_owned(),
        shape: vec![codes.len()],
        grid: Grid::Linear {
            bits,
            granularity: Granularity::Tensor,
            scales: vec![step],
            zero_points: Vec::new(),
        },
        codes: Codes::saturating((-1 << (bits - 1), (1 << (bits - 1)) - 1), codes),
    }
}

/// The standard deviation of the logits about the mean of each class.
fn spread(logits: &Array2<f32>) -> f64 {
    let (rows, _) = logits.dim();
    let mut sum = 0.0;
    for class in logits.columns() {
        let mean = class.iter().map(|&x| f64::from(x)).sum::<f64>() / rows as f64;
        sum += class.iter().map(|&x| square(x, mean)).sum::<f64>();
    }
    (sum / logits.len().max(1) as f64).sqrt()
}

fn root_mean_square(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
    let squares = a.iter().zip(b).map(|(&a, &b)| square(a, f64::from(b)));
    (squares.sum::<f64>() / a.len().max(1) as f64).sqrt()
}

fn square(a: f32, b: f64) -> f64 {
    let difference = f64::from(a) - b;
    difference * difference
}
