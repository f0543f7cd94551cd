//! Structures: which weights are pruned together, and how the wanted density is met exactly.
//!
//! Every structure keeps `round(density · n)` of `n` things, halves rounded up. Of equal scores,
//! the first in the order of tensors and positions stay. A new structure is one file here and one
//! line in the registry.

mod global;
mod n_of_m;
mod neurons;
mod per_layer;

pub use global::Global;
pub use n_of_m::NOfM;
pub use neurons::Neurons;
pub(crate) use neurons::{keep_best, neuron_scores};
pub use per_layer::PerLayer;

use compress_core::kernels::select::{keep_largest, largest_magnitudes};
use compress_core::mask::{Mask, Scores, Structure, TensorMask};

use crate::error::look_up;
use crate::{Error, Result};

/// Makes a structure with its default settings.
pub type MakeStructure = fn() -> Box<dyn Structure>;

/// The structures, by name.
pub const STRUCTURES: &[(&str, MakeStructure)] = &[
    ("global", || Box::new(Global::default())),
    ("per_layer", || Box::new(PerLayer)),
    ("neurons", || Box::new(Neurons)),
    ("n_of_m", || Box::new(NOfM::default())),
];

/// The structure of this name, with its default settings.
///
/// # Errors
/// Where there is none; the error lists those that exist.
///
/// # Examples
/// ```
/// assert_eq!(compress_prune::structure("per_layer")?.name(), "per_layer");
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn structure(name: &str) -> Result<Box<dyn Structure>> {
    Ok(look_up("structure", STRUCTURES, name)?())
}

/// `round(density · total)`, halves up.
pub(crate) fn kept_count(density: f64, total: usize) -> usize {
    ((density * total as f64).round() as usize).min(total)
}

/// The `kept` highest of all `scores` together.
fn keep_highest(scores: &[&[f32]], kept: usize) -> Result<Vec<Vec<bool>>> {
    let mut keep: Vec<Vec<bool>> = scores.iter().map(|s| vec![false; s.len()]).collect();
    if kept > 0 {
        let boundary = largest_magnitudes(scores, kept)?;
        keep_largest(scores, boundary, &mut keep)?;
    }
    Ok(keep)
}

/// Fails unless each tensor has as many scores as its shape says, all of them rankable.
pub(crate) fn check_scores(scores: &Scores) -> Result<()> {
    for tensor in &scores.tensors {
        let expected = [tensor
            .shape
            .iter()
            .fold(1usize, |n, &d| n.saturating_mul(d))];
        compress_core::Error::check_shape(
            &format!("scores of {}", tensor.name),
            &expected,
            &[tensor.values.len()],
        )?;
        let rankable = |s: &f32| *s >= 0.0 && *s < f32::INFINITY;
        if let Some(index) = tensor.values.iter().position(|s| !rankable(s)) {
            return Err(Error::Score {
                tensor: tensor.name.clone(),
                index,
                value: tensor.values[index],
            });
        }
    }
    Ok(())
}

/// The mask of the scored tensors that `keep` describes.
fn mask_of(scores: &Scores, keep: Vec<Vec<bool>>) -> Mask {
    let entry = |(tensor, keep): (&compress_core::mask::TensorScores, _)| TensorMask {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        keep,
    };
    Mask {
        tensors: scores.tensors.iter().zip(keep).map(entry).collect(),
    }
}
