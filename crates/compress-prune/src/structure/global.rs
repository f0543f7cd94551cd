//! Unstructured pruning with one ranking across all weights.

use compress_core::mask::{Mask, Scores, Structure};
use compress_core::{Error, Result};

use super::select::{check_scores, keep_highest, kept_count, mask_of};
use crate::error::check_fraction;

/// Unstructured pruning: keeps the `round(density · n)` highest scores of all `n` weights together,
/// wherever they are. The scores of LAMP (Lee et al. 2021, 2010.07611) are made for this ranking:
/// LAMP's density of each layer is what it gives.
///
/// # Errors
/// Where the density or the floor is not from 0 to 1, more weights are under the floors than the
/// density lets stay, or a score is negative or not finite. Where the ranking would leave a tensor no
/// weight at a density above 0; a floor prevents that.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::Global;
///
/// let tensor = |name: &str, values: Vec<f32>| TensorScores {
///     name: name.into(),
///     shape: vec![1, values.len()],
///     values,
/// };
/// let scores = Scores {
///     tensors: vec![tensor("a", vec![0.1, 0.2, 0.3]), tensor("b", vec![5.0, 4.0, 0.0])],
/// };
/// let mask = Global::default().mask(&scores, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [false, false, true]);
/// assert_eq!(mask.tensors[1].keep, [true, true, false]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Frankle and Carbin 2019 (1803.03635), section 4, "Global pruning".
#[derive(Clone, Copy, Debug, Default)]
pub struct Global {
    /// The fraction of each tensor that stays whatever its scores, rounded up to whole weights, so
    /// that no layer loses all of its weights. All floors together must not exceed the density.
    pub floor: f64,
}

/// What the weights under a floor are lifted to, above all others.
const LIFTED: f32 = f32::MAX;

/// The next f32 below [`LIFTED`].
const BELOW_LIFTED: f32 = f32::from_bits(f32::MAX.to_bits() - 1);

impl Structure for Global {
    fn name(&self) -> &'static str {
        "global"
    }

    fn check_density(&self, density: f64) -> Result<()> {
        check_fraction("the floor", self.floor)?;
        match self.floor > density {
            true => {
                let expected = format!("not below the floor of each tensor, {}", self.floor);
                Err(Error::invalid("the density", density, expected))
            }
            false => Ok(()),
        }
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        check_fraction("the density", density)?;
        check_fraction("the floor", self.floor)?;
        check_scores(scores)?;
        let kept = kept_count(density, scores.len());
        let values: Vec<&[f32]> = scores.tensors.iter().map(|t| &t.values[..]).collect();
        if self.floor == 0.0 {
            return Ok(mask_of(scores, density, keep_highest(&values, kept)?)?);
        }
        let (lifted, floors) = lift(&values, self.floor)?;
        if floors > kept {
            let expected = format!(
                "so high that the {floors} weights under the floors, {} of each tensor, can stay",
                self.floor
            );
            return Err(Error::invalid("the density", density, expected));
        }
        let lifted: Vec<&[f32]> = lifted.iter().map(Vec::as_slice).collect();
        Ok(mask_of(scores, density, keep_highest(&lifted, kept)?)?)
    }
}

/// Lifts the best `floor` of each tensor above all other scores; returns the scores, and how many
/// were lifted.
fn lift(values: &[&[f32]], floor: f64) -> Result<(Vec<Vec<f32>>, usize)> {
    let mut floors = 0;
    let mut lifted = Vec::with_capacity(values.len());
    for &tensor in values {
        let count = ((floor * tensor.len() as f64).ceil() as usize).min(tensor.len());
        floors += count;
        let stays = keep_highest(&[tensor], count)?.remove(0);
        let lift = |(&s, stays): (&f32, bool)| if stays { LIFTED } else { s.min(BELOW_LIFTED) };
        lifted.push(tensor.iter().zip(stays).map(lift).collect());
    }
    Ok((lifted, floors))
}
