//! Unstructured pruning with the same density in each tensor but some.

use compress_core::mask::{Mask, Scores, Structure};
use compress_core::{Error, Result};

use super::select::keep_in_each;

/// Unstructured pruning: keeps the `round(density · n)` highest scores of each tensor of `n`
/// weights, and some tensors whole. The first layer has few weights and much effect, so by default
/// it is the one that stays whole. [`crate::PerLayer`] is this structure without such tensors.
///
/// The density is that of each pruned tensor, so more than that stays of the model.
///
/// # Errors
/// Where the density is not from 0 to 1. Where it is above 0, but rounding would leave no weight of a
/// tensor. Where a tensor that is to stay is not scored. Where a score is negative or not finite.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::Uniform;
///
/// let tensor = |name: &str| TensorScores {
///     name: name.into(),
///     shape: vec![1, 2],
///     values: vec![0.1, 0.2],
/// };
/// let scores = Scores { tensors: vec![tensor("a"), tensor("b")] };
/// let mask = Uniform::default().mask(&scores, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [true, true]);
/// assert_eq!(mask.tensors[1].keep, [false, true]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Evci, Gale, Menick, Castro, Elsen 2020 (1911.11134), section 3, "Uniform".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uniform {
    /// The names of the tensors that stay whole; `None` for the first one alone.
    pub dense: Option<Vec<String>>,
}

impl Structure for Uniform {
    fn name(&self) -> &'static str {
        "uniform"
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        let names: Vec<&str> = scores.tensors.iter().map(|t| t.name.as_str()).collect();
        let dense: Vec<&str> = match &self.dense {
            Some(dense) => dense.iter().map(String::as_str).collect(),
            None => names.iter().take(1).copied().collect(),
        };
        if let Some(missing) = dense.iter().find(|name| !names.contains(name)) {
            return Err(Error::UnknownTensor {
                name: (*missing).to_owned(),
                known: format!("those that are scored: {}", names.join(", ")),
            });
        }
        let of = |name: &str| if dense.contains(&name) { 1.0 } else { density };
        Ok(keep_in_each(scores, density, of)?)
    }
}
