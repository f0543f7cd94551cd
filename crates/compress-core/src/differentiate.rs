//! Gradients of a loss on demand, outside of a training run, and what follows from them: means over
//! data, squares of single samples, products with the Hessian, the flow of a network's synapses.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::evidence::{ByTensor, Known, Needs, PerValue};
use crate::gradients::Gradients;
use crate::parameters::{self, Kept};
use crate::samples::Samples;
use crate::tensor::Role;
use crate::train::{Batch, Loss};
use crate::{Error, Result};

/// Samples of a batch.
const BATCH: usize = 512;

/// A model that gives the gradients of a loss when it is asked.
pub trait Differentiate: Gradients {
    /// Runs `batch.inputs` forward and backward, in inference mode (no dropout). Leaves the gradient
    /// of the loss with respect to each parameter in the model, and returns the loss.
    ///
    /// # Errors
    /// Those of the model and of the loss.
    fn differentiate(&mut self, loss: &dyn Loss, batch: &Batch<'_>) -> Result<f32>;
}

/// What `needs` says of each value, from the gradients of `loss` over all of `data` as it is in epoch
/// 0: [`PerValue::Gradient`], [`PerValue::SquaredGradient`], [`PerValue::HessianGradient`] and
/// [`PerValue::SynapticFlow`]. The model keeps its values.
///
/// # Errors
/// Where there is no data; those of the model, the data and the loss.
///
/// # Examples
/// ```
/// use compress_core::differentiate;
/// use compress_core::evidence::{Needs, PerValue};
/// # use compress_core::train::Loss;
/// # fn example(model: &mut dyn differentiate::Differentiate, data: &dyn compress_core::samples::Samples,
/// #     loss: &dyn Loss) -> compress_core::Result<()> {
/// // Any model that implements `Differentiate`, any data, any loss.
/// let needs = Needs::of(&[PerValue::SquaredGradient]);
/// let known = differentiate::evidence(model, data, loss, needs)?;
/// # Ok(())
/// # }
/// ```
pub fn evidence(
    model: &mut dyn Differentiate,
    data: &dyn Samples,
    loss: &dyn Loss,
    needs: Needs,
) -> Result<Known> {
    let mut known = Known::nothing();
    if needs.has(PerValue::SynapticFlow) {
        let found = synaptic_flow(model, data.features())?;
        known.set_values(PerValue::SynapticFlow, found);
    }
    if needs.has(PerValue::SquaredGradient) {
        let found = mean_squared_gradient(model, data, loss)?;
        known.set_values(PerValue::SquaredGradient, found);
    }
    let curved = needs.has(PerValue::HessianGradient);
    if curved || needs.has(PerValue::Gradient) {
        let gradient = mean_gradient(model, data, loss)?;
        if curved {
            let found = hessian_product(model, data, loss, &gradient)?;
            known.set_values(PerValue::HessianGradient, found);
        }
        known.set_values(PerValue::Gradient, gradient);
    }
    Ok(known)
}

/// The gradient of `loss`, averaged over all of `data` as it is in epoch 0.
///
/// # Errors
/// Where there is no data; those of the model, the data and the loss.
pub fn mean_gradient(
    model: &mut dyn Differentiate,
    data: &dyn Samples,
    loss: &dyn Loss,
) -> Result<ByTensor> {
    over(model, data, loss, BATCH, |sum, gradient, share| {
        *sum = f64::from(gradient).mul_add(share, *sum);
    })
}

/// The squared gradient of each single sample's loss, averaged over all of `data`: the diagonal of
/// the empirical Fisher information. Costs a pass for each sample.
///
/// # References
/// Theis, Korshunova, Tejani, Huszár 2018 (1801.05787), section 2.1.
///
/// # Errors
/// As [`mean_gradient`].
pub fn mean_squared_gradient(
    model: &mut dyn Differentiate,
    data: &dyn Samples,
    loss: &dyn Loss,
) -> Result<ByTensor> {
    over(model, data, loss, 1, |sum, gradient, share| {
        let gradient = f64::from(gradient);
        *sum = (gradient * gradient).mul_add(share, *sum);
    })
}

/// The product H·v of the loss's Hessian over all of `data` with a direction v: by the central
/// difference of the gradients at w + r·v and w − r·v, where r·‖v‖ is a thousandth of ‖w‖. `v` has
/// entries as [`mean_gradient`] gives them. The model has its values again at the end.
///
/// # References
/// Pearlmutter 1994, *Fast exact multiplication by the Hessian*, section 2, for the difference.
///
/// # Errors
/// As [`mean_gradient`], and where a parameter of `v` is unknown to the model.
pub fn hessian_product(
    model: &mut dyn Differentiate,
    data: &dyn Samples,
    loss: &dyn Loss,
    v: &[(String, Vec<f32>)],
) -> Result<ByTensor> {
    /// ‖r·v‖ as a part of ‖w‖: large enough for f32's rounding, small enough for the slope.
    const STEP: f64 = 1e-3;
    let mut squares = [0.0, 0.0];
    for (name, direction) in v {
        let values = parameters::values(model, name)?;
        Error::check_shape(name, &[values.len()], &[direction.len()])?;
        squares[0] += sum_of_squares(&values);
        squares[1] += sum_of_squares(direction);
    }
    let norms = squares.map(f64::sqrt);
    if norms[1] == 0.0 {
        let zeros = |(name, v): &(String, Vec<f32>)| (name.clone(), vec![0.0; v.len()]);
        return Ok(v.iter().map(zeros).collect());
    }
    let step = STEP * if norms[0] > 0.0 { norms[0] } else { 1.0 } / norms[1];
    let kept = kept(model)?;
    let mut at = |factor: f64| -> Result<ByTensor> {
        kept.put_back(model)?;
        model.visit_mut(&mut |tensor| {
            let moved = v.iter().find(|(known, _)| known == tensor.name);
            let moved = moved.into_iter().flat_map(|(_, v)| v);
            for (w, &v) in tensor.values.iter_mut().zip(moved) {
                *w = f64::from(v).mul_add(factor, f64::from(*w)) as f32;
            }
            Ok(())
        })?;
        mean_gradient(model, data, loss)
    };
    let both = at(step).and_then(|above| Ok((above, at(-step)?)));
    kept.put_back(model)?;
    let (mut above, below) = both?;
    for ((_, above), (_, below)) in above.iter_mut().zip(&below) {
        for (a, &b) in above.iter_mut().zip(below) {
            *a = ((f64::from(*a) - f64::from(b)) / (2.0 * step)) as f32;
        }
    }
    Ok(above)
}

/// The gradient of R = 1ᵀ·Πₗ|Wₗ|·1 with respect to |W|: how much of all paths from inputs to outputs
/// goes through each weight. Needs no data: each of the `features` is set to one, biases
/// ([`Role::Bias`]) to zero, all other parameters to their magnitudes, and the outputs are summed. So
/// the gain of a normalization is a factor of the paths through it, and its shift must be a bias.
/// Exact where activations are the identity on numbers that are not negative, such as ReLU. The model
/// has its values again at the end.
///
/// # References
/// Tanaka, Kunin, Yamins, Ganguli 2020 (2006.05467), section 6, equation 2.
///
/// # Errors
/// Those of the model; where a path's product leaves f32; where there are weights other than zero, but
/// no path leads from an input to an output.
pub fn synaptic_flow(model: &mut dyn Differentiate, features: usize) -> Result<ByTensor> {
    let kept = kept(model)?;
    model.visit_mut(&mut |tensor| {
        let is_bias = tensor.role == Role::Bias;
        let magnitude = |w: f32| if is_bias { 0.0 } else { w.abs() };
        tensor.values.iter_mut().for_each(|w| *w = magnitude(*w));
        Ok(())
    })?;
    let inputs = Array2::ones((1, features));
    let batch = Batch {
        inputs: inputs.view(),
        labels: &[],
        indices: &[0],
        epoch: 0,
    };
    let flow = model
        .differentiate(&SumOfOutputs, &batch)
        .and_then(|_| gradients(model));
    kept.put_back(model)?;
    let flow = flow?;
    for (name, values) in &flow {
        Error::check_finite(&format!("the synaptic flow of {name}"), values)?;
    }
    check_some_flow(model, &flow)?;
    Ok(flow)
}

/// Fails where there are weights other than zero, but nothing flows through any of them.
fn check_some_flow(model: &dyn Differentiate, flow: &ByTensor) -> Result<()> {
    let (mut live, mut flows) = (false, false);
    model.visit(&mut |tensor| {
        if tensor.role == Role::Weight {
            let flow = flow.iter().find(|(name, _)| name == tensor.name);
            let flow = flow.into_iter().flat_map(|(_, values)| values);
            live |= tensor.values.iter().any(|&w| w != 0.0);
            let mut pairs = tensor.values.iter().zip(flow);
            flows |= pairs.any(|(&w, &flow)| w != 0.0 && flow != 0.0);
        }
        Ok(())
    })?;
    match live && !flows {
        true => {
            let what = "the synaptic flow through all weights";
            let expected = "above 0 somewhere: a layer or a gain that is zero, or products too small \
                            for f32, cut all paths";
            Err(Error::invalid(what, 0, expected))
        }
        false => Ok(()),
    }
}

/// Adds up what `add` makes of the gradients of all batches. It is given the sum so far, a gradient,
/// and the batch's share of the samples.
fn over(
    model: &mut dyn Differentiate,
    data: &dyn Samples,
    loss: &dyn Loss,
    batch: usize,
    add: impl Fn(&mut f64, f32, f64),
) -> Result<ByTensor> {
    if data.is_empty() {
        let what = "the data to differentiate on".into();
        return Err(Error::Empty { what });
    }
    let mut sums: Vec<(String, Vec<f64>)> = Vec::new();
    let all: Vec<usize> = (0..data.len()).collect();
    let mut inputs = Array2::zeros((batch.min(data.len()), data.features()));
    for indices in all.chunks(batch) {
        let mut rows = inputs.slice_mut(ndarray::s![..indices.len(), ..]);
        data.fill(0, indices, rows.view_mut())?;
        let labels = indices.iter().filter_map(|&i| data.labels().get(i));
        let labels: Vec<u32> = labels.copied().collect();
        let batch = Batch {
            inputs: rows.view(),
            labels: &labels,
            indices,
            epoch: 0,
        };
        model.differentiate(loss, &batch)?;
        let share = indices.len() as f64 / data.len() as f64;
        let (first, mut position) = (sums.is_empty(), 0);
        model.visit_gradients(&mut |gradient| {
            if first {
                let zeros = vec![0.0; gradient.values.len()];
                sums.push((gradient.name.to_owned(), zeros));
            }
            let known = sums
                .get_mut(position)
                .filter(|(name, sum)| name == gradient.name && sum.len() == gradient.values.len());
            let (_, sum) = known.ok_or_else(|| {
                let expected = "the parameters of the first batch, in their order";
                Error::invalid("a gradient", gradient.name, expected)
            })?;
            position += 1;
            let pairs = sum.iter_mut().zip(&*gradient.values);
            pairs.for_each(|(sum, &g)| add(sum, g, share));
            Ok(())
        })?;
    }
    let narrow =
        |(name, sums): (String, Vec<f64>)| (name, sums.into_iter().map(|sum| sum as f32).collect());
    Ok(sums.into_iter().map(narrow).collect())
}

/// Copies of the gradients that the model holds now.
fn gradients(model: &mut dyn Differentiate) -> Result<ByTensor> {
    let mut found = Vec::new();
    model.visit_gradients(&mut |gradient| {
        found.push((gradient.name.to_owned(), gradient.values.to_vec()));
        Ok(())
    })?;
    Ok(found)
}

fn sum_of_squares(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum()
}

/// Copies of all values of the model.
fn kept(model: &dyn Differentiate) -> Result<Kept> {
    model.visit(&mut |tensor| tensor.check_finite())?;
    Kept::of(model, |_| true)
}

/// The sum of all outputs, whose gradient is one everywhere.
struct SumOfOutputs;

impl Loss for SumOfOutputs {
    fn reads_inputs(&self) -> bool {
        false
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        _: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        gradient.fill(1.0);
        Ok(logits.iter().map(|&y| f64::from(y)).sum::<f64>() as f32)
    }
}

#[cfg(test)]
mod tests;
