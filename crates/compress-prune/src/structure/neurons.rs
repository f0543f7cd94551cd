//! Structured pruning of whole neurons of hidden layers.

use compress_core::Result;
use compress_core::mask::{Mask, Scores, Structure, TensorScores};

use super::{check_scores, keep_highest, kept_count, mask_of};
use crate::error::check_fraction;

/// Structured pruning: keeps, in each hidden layer of `n` neurons, `round(density · n)` of them,
/// but at least one. The incoming and the outgoing weights of the other neurons are masked, so that
/// [`crate::compact`] removes these neurons for good.
///
/// A neuron's score is the mean of the scores of its incoming weights: its norm under
/// [`crate::NeuronNorm`], its mean magnitude under [`crate::Magnitude`]. The tensors are taken as a
/// chain, first layer first. The neurons of the last one are the network's outputs, and all stay.
/// So the density is one of neurons, not of weights.
///
/// # Errors
/// Where the density is not from 0 to 1, a score is negative or not finite, or a tensor does not
/// read what the one before it writes.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::Neurons;
///
/// let first = TensorScores { name: "a".into(), shape: vec![2, 2], values: vec![1., 1., 3., 3.] };
/// let last = TensorScores { name: "b".into(), shape: vec![1, 2], values: vec![9., 1.] };
/// let mask = Neurons.mask(&Scores { tensors: vec![first, last] }, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [false, false, true, true]);
/// assert_eq!(mask.tensors[1].keep, [false, true]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Li, Kadav, Durdanovic, Samet, Graf 2017 (1608.08710), section 3.1: a filter is removed together
/// with the kernels of the next layer that read it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Neurons;

impl Structure for Neurons {
    fn name(&self) -> &'static str {
        "neurons"
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        check_fraction("the density", density)?;
        check_scores(scores)?;
        let mut keep = Vec::with_capacity(scores.tensors.len());
        // The first layer reads the features, all of which stay.
        let mut columns: Option<Vec<bool>> = None;
        for (i, tensor) in scores.tensors.iter().enumerate() {
            let neurons = neuron_scores(tensor)?;
            let rows = if i + 1 == scores.tensors.len() {
                vec![true; neurons.len()]
            } else {
                keep_best(&neurons, kept_count(density, neurons.len()).max(1))?
            };
            keep.push(cross(tensor, &rows, columns.as_deref())?);
            columns = Some(rows);
        }
        Ok(mask_of(scores, keep))
    }
}

/// The mean score of each row of a tensor `[neurons, inputs]`.
pub(crate) fn neuron_scores(tensor: &TensorScores) -> Result<Vec<f32>> {
    let &[neurons, inputs] = &tensor.shape[..] else {
        return Err(compress_core::Error::Shape {
            what: format!("scores of {}, a matrix", tensor.name),
            expected: vec![tensor.values.len(), 1],
            found: tensor.shape.clone(),
        });
    };
    if inputs == 0 {
        return Ok(vec![0.0; neurons]);
    }
    // In f64 the mean of equal f32 values is exactly that value.
    let mean = |row: &[f32]| row.iter().map(|&s| f64::from(s)).sum::<f64>() / inputs as f64;
    let rows = tensor.values.chunks_exact(inputs);
    Ok(rows.map(|row| mean(row) as f32).collect())
}

/// The `kept` best neurons, at most all.
pub(crate) fn keep_best(scores: &[f32], kept: usize) -> crate::Result<Vec<bool>> {
    Ok(keep_highest(&[scores], kept.min(scores.len()))?.remove(0))
}

/// True where both the row and the column stay.
fn cross(tensor: &TensorScores, rows: &[bool], columns: Option<&[bool]>) -> Result<Vec<bool>> {
    let inputs = tensor.shape[1];
    if let Some(columns) = columns {
        let what = format!("inputs of {}", tensor.name);
        compress_core::Error::check_shape(&what, &[columns.len()], &[inputs])?;
    }
    let column = |i: usize| columns.is_none_or(|columns| columns[i]);
    let row = |&row: &bool| (0..inputs).map(move |i| row && column(i));
    Ok(rows.iter().flat_map(row).collect())
}
