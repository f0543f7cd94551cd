//! What pruning decides: scores from a criterion, and the mask that a structure makes of them.

use crate::evidence::{Evidence, Known, Needs};
use crate::ops::vector::zero_where;
use crate::parameters::{self, Parameters};
use crate::tensor::{Role, TensorRef, volume};
use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// The importance of each value of one tensor. The lowest scores are pruned first.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorScores {
    /// The tensor's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// One score per value, row-major; finite and not negative.
    pub values: Vec<f32>,
}

/// The importance of every prunable value of a model, in the order of its tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// One entry for each weight.
    pub tensors: Vec<TensorScores>,
}

impl Scores {
    /// How many values are scored.
    pub fn len(&self) -> usize {
        self.tensors.iter().map(|t| t.values.len()).sum()
    }

    /// Whether nothing is scored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A score of either sign as one that is not negative and finite, in the same order: for criteria
/// whose scores may be negative. Neighbours may become equal. Only the order of such scores counts,
/// not their size; a criterion says so by [`Criterion::only_ranks`].
///
/// # Examples
/// ```
/// use compress_core::mask::ranked;
///
/// let scores = [f32::MIN, -2.0, -1.0, -1e-30, 0.0, 1e-30, 1.0, 2.0, f32::MAX].map(ranked);
/// assert!(scores.is_sorted_by(|a, b| a < b));
/// assert!(scores[0] >= 0.0 && scores[8].is_finite());
/// ```
pub fn ranked(signed: f32) -> f32 {
    /// Half the order of the lowest finite number.
    const LOWEST: u32 = 0x0080_0000 / 2;
    let bits = signed.to_bits();
    // The order of f32 as one of u32: all bits of a negative number turn around.
    let order = if bits >> 31 == 1 {
        !bits
    } else {
        bits | (1 << 31)
    };
    f32::from_bits((order / 2).saturating_sub(LOWEST))
}

/// A criterion: says how important each value of a weight is, from the weight and what is known
/// about it.
pub trait Criterion {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

    /// What it needs to know beside the values.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether only the order of its scores counts, as of those that [`ranked`] gives. Then a
    /// structure that averages scores makes no sense of them ([`check_fit`]).
    fn only_ranks(&self) -> bool {
        false
    }

    /// The score of each value of `weight`, of any rank; finite and not negative.
    ///
    /// # Errors
    /// Where a value is NaN or infinite, or what it needs to know is not known.
    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>>;
}

/// Scores every weight of `model`, but not its other tensors.
///
/// # Errors
/// Where there is no weight, and those of the criterion.
pub fn score(
    model: &(impl Parameters + ?Sized),
    criterion: &dyn Criterion,
    known: &Known,
) -> Result<Scores> {
    let mut scores = Scores::default();
    model.visit(&mut |tensor| {
        if tensor.role != Role::Weight {
            return Ok(());
        }
        tensor.check_finite()?;
        let values = criterion.score(tensor, &known.of(tensor.name))?;
        let what = format!("scores of {}", tensor.name);
        Error::check_shape(&what, &[tensor.values.len()], &[values.len()])?;
        scores.tensors.push(TensorScores {
            name: tensor.name.to_owned(),
            shape: tensor.shape.to_vec(),
            values,
        });
        Ok(())
    })?;
    match scores.tensors.is_empty() {
        true => Err(Error::Empty {
            what: "the list of weights to score".into(),
        }),
        false => Ok(scores),
    }
}

/// A structure: decides from the scores which weights are pruned together.
pub trait Structure {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

    /// Whether it averages the scores of values that are pruned together.
    fn averages(&self) -> bool {
        false
    }

    /// Fails where this structure cannot reach `density`, whatever the scores: so that a run that
    /// is to end there fails before it begins.
    ///
    /// # Errors
    /// Says which densities it can reach.
    fn check_density(&self, density: f64) -> Result<()> {
        let _ = density;
        Ok(())
    }

    /// A mask that keeps the fraction `density` of the scored values.
    ///
    /// # Errors
    /// Where the density is not from 0 to 1, or a score cannot be ranked.
    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask>;
}

/// Fails where `structure` averages scores of which only the order counts.
///
/// # Errors
/// Names both.
pub fn check_fit(criterion: &dyn Criterion, structure: &dyn Structure) -> Result<()> {
    match criterion.only_ranks() && structure.averages() {
        false => Ok(()),
        true => Err(Error::invalid(
            format!("the criterion for the structure {}", structure.name()),
            criterion.name(),
            "one whose scores can be averaged; this one only ranks single weights",
        )),
    }
}

/// Which values of one tensor stay.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TensorMask {
    /// The tensor's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// True where the value stays, row-major.
    pub keep: Vec<bool>,
}

/// Which values of a model stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mask {
    /// One entry for each pruned tensor.
    pub tensors: Vec<TensorMask>,
}

impl Mask {
    /// The mask of the weights of `model` that are not zero now.
    ///
    /// # Errors
    /// Those of the model.
    pub fn of_nonzeros(model: &(impl Parameters + ?Sized)) -> Result<Self> {
        let mut mask = Mask::default();
        model.visit(&mut |tensor| {
            if tensor.role == Role::Weight {
                mask.tensors.push(TensorMask {
                    name: tensor.name.to_owned(),
                    shape: tensor.shape.to_vec(),
                    keep: tensor.values.iter().map(|&w| w != 0.0).collect(),
                });
            }
            Ok(())
        })?;
        Ok(mask)
    }

    /// How many values the mask covers.
    pub fn total(&self) -> usize {
        self.tensors.iter().map(|t| t.keep.len()).sum()
    }

    /// How many of them stay.
    pub fn kept(&self) -> usize {
        self.tensors
            .iter()
            .map(|t| t.keep.iter().filter(|&&k| k).count())
            .sum()
    }

    /// The fraction that stays; 1 for an empty mask.
    pub fn density(&self) -> f64 {
        match self.total() {
            0 => 1.0,
            total => self.kept() as f64 / total as f64,
        }
    }

    /// The entry of a tensor, if the mask covers it.
    pub fn of(&self, name: &str) -> Option<&TensorMask> {
        self.tensors.iter().find(|t| t.name == name)
    }

    /// Fails where a tensor of the mask is unknown to `model`, has another shape there, or has not
    /// a mark for each value.
    ///
    /// # Errors
    /// Names the tensor.
    pub fn check(&self, model: &(impl Parameters + ?Sized)) -> Result<()> {
        for tensor in &self.tensors {
            let marks = [tensor.keep.len()];
            Error::check_shape(&tensor.name, &[volume(&tensor.shape)], &marks)?;
        }
        let mut found = 0;
        model.visit(&mut |tensor| {
            let Some(mask) = self.of(tensor.name) else {
                return Ok(());
            };
            found += 1;
            Error::check_shape(tensor.name, &mask.shape, tensor.shape)
        })?;
        if found == self.tensors.len() {
            return Ok(());
        }
        let names = parameters::names(model)?;
        let missing = self.tensors.iter().find(|t| !names.contains(&t.name));
        match missing {
            Some(tensor) => Err(parameters::unknown(model, &tensor.name)),
            None => Err(Error::invalid(
                "a mask",
                "one tensor twice",
                "one entry each",
            )),
        }
    }

    /// Sets to +0 all values that do not stay.
    ///
    /// # Errors
    /// Before anything is changed: as [`Mask::check`].
    pub fn apply(&self, model: &mut (impl Parameters + ?Sized)) -> Result<()> {
        self.check(model)?;
        model.visit_mut(&mut |tensor| match self.of(tensor.name) {
            Some(mask) => zero_where(tensor.values, &mask.keep),
            None => Ok(()),
        })
    }
}
