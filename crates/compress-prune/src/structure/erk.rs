//! Unstructured pruning with a density of each tensor that follows from its shape.

use compress_core::Result;
use compress_core::mask::{Mask, Scores, Structure, TensorScores};

use super::select::{check_scores, keep_highest, kept_count, mask_of};
use crate::error::check_fraction;

/// Unstructured pruning by the Erdős–Rényi-Kernel (ERK) distribution: the density of each tensor is
/// proportional to the sum of its dimensions over their product, and at most 1. So small tensors
/// stay denser than large ones. Of each tensor the highest scores stay; of all `n` weights together
/// exactly `round(density · n)`.
///
/// Where a tensor's density would exceed 1, it stays whole, and the others share what is left. The
/// counts are whole numbers by the method of Webster and Sainte-Laguë: as the density falls, no count
/// ever rises, so gradual pruning meets each density exactly.
///
/// # Errors
/// Where the density is not from 0 to 1, or so low that a tensor would keep no weight. Where a score
/// is negative or not finite.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::Erk;
///
/// let tensor = |name: &str, rows: usize, columns: usize| TensorScores {
///     name: name.into(),
///     shape: vec![rows, columns],
///     values: vec![1.0; rows * columns],
/// };
/// let scores = Scores { tensors: vec![tensor("large", 20, 20), tensor("small", 10, 10)] };
/// let mask = Erk.mask(&scores, 0.24)?;
/// let kept = |i: usize| mask.tensors[i].keep.iter().filter(|k| **k).count();
/// // Densities of 0.2 and 0.4: as 40/400 to 20/100.
/// assert_eq!([kept(0), kept(1)], [80, 40]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Mocanu et al. 2018 (1707.04780), equation 1, for Erdős–Rényi graphs of dense
/// layers; Evci, Gale, Menick, Castro, Elsen 2020 (1911.11134), section 3, "Erdős–Rényi-Kernel", for
/// kernels. The iteration that caps densities at 1 is that of the code of Evci et al.
/// Balinski and Young 1982, *Fair Representation*, for methods of rounding by divisors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Erk;

impl Structure for Erk {
    fn name(&self) -> &'static str {
        "erk"
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        check_fraction("the density", density)?;
        check_scores(scores)?;
        let counts = counts(&scores.tensors, kept_count(density, scores.len()));
        let mut keep = Vec::with_capacity(counts.len());
        for (tensor, count) in scores.tensors.iter().zip(counts) {
            keep.append(&mut keep_highest(&[&tensor.values], count)?);
        }
        Ok(mask_of(scores, density, keep)?)
    }
}

/// How many weights of each tensor stay: `kept` together. One by one they go to the tensor with the
/// largest quotient of weight and count and a half, of equal ones to the first, so that a larger
/// `kept` takes none away.
fn counts(tensors: &[TensorScores], kept: usize) -> Vec<usize> {
    let sizes: Vec<usize> = tensors.iter().map(|t| t.values.len()).collect();
    let weights: Vec<f64> = tensors.iter().map(|t| dimensions(&t.shape)).collect();
    // One less for each tensor, and rounded down: a start that no tensor falls below.
    let start = shares(&sizes, &weights, kept.saturating_sub(sizes.len()));
    let mut counts: Vec<usize> = start.iter().map(|share| share.floor() as usize).collect();
    let quotient = |i: usize, count: usize| weights[i] / (count as f64 + 0.5);
    for _ in counts.iter().sum::<usize>()..kept {
        let open = (0..sizes.len()).filter(|&i| counts[i] < sizes[i]);
        let leads = |i: usize, j: usize| quotient(i, counts[i]) > quotient(j, counts[j]);
        let next = open.reduce(|best, i| if leads(i, best) { i } else { best });
        next.into_iter().for_each(|i| counts[i] += 1);
    }
    counts
}

/// The exact shares of `kept`, in proportion to `weights` but none above its size.
fn shares(sizes: &[usize], weights: &[f64], kept: usize) -> Vec<f64> {
    // A density of weight / size times the scale keeps weight · scale values.
    let mut whole = vec![false; sizes.len()];
    let scale = loop {
        let shared = |i: &usize| !whole[*i] && sizes[*i] > 0;
        let shared: Vec<usize> = (0..sizes.len()).filter(shared).collect();
        let taken = (0..sizes.len()).filter(|&i| whole[i]);
        let taken: usize = taken.map(|i| sizes[i]).sum();
        let sum: f64 = shared.iter().map(|&i| weights[i]).sum();
        let scale = kept.saturating_sub(taken) as f64 / sum;
        let relative = |i: usize| weights[i] / sizes[i] as f64;
        let highest = shared.iter().map(|&i| relative(i)).fold(0.0, f64::max);
        if shared.is_empty() || highest * scale <= 1.0 {
            break scale;
        }
        for i in shared.into_iter().filter(|&i| relative(i) == highest) {
            whole[i] = true;
        }
    };
    let exact = |i: usize| match whole[i] || sizes[i] == 0 {
        true => sizes[i] as f64,
        false => (weights[i] * scale).min(sizes[i] as f64),
    };
    (0..sizes.len()).map(exact).collect()
}

/// The sum of the dimensions; 1 for a scalar.
fn dimensions(shape: &[usize]) -> f64 {
    shape.iter().map(|&d| d as f64).sum::<f64>().max(1.0)
}
