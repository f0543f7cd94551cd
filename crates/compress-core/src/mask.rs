//! What pruning decides: scores from a criterion, and the mask that a structure makes of them.

use crate::network::{Network, Role};
use crate::ops::vector::zero_where;
use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// The importance of each value of one tensor. The lowest scores are pruned first.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorScores {
    /// The parameter's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// One score per value, row-major; finite and not negative.
    pub values: Vec<f32>,
}

/// The importance of every prunable value of a network, in the order of its parameters.
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

/// A criterion: says how important each weight is.
pub trait Criterion {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

    /// Takes the optimizer's second moments, as [`crate::train::TrainHook::observe_second_moments`]
    /// gets them. The scores that follow may use them; most criteria do not.
    fn observe_second_moments(&mut self, network: &dyn Network, moments: &[&[f32]]) -> Result<()> {
        let _ = (network, moments);
        Ok(())
    }

    /// Scores every weight of `network`, but not the biases.
    fn scores(&self, network: &dyn Network) -> Result<Scores>;
}

/// A structure: decides from the scores which weights are pruned together.
pub trait Structure {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

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
    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask>;
}

/// Which values of one tensor stay.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TensorMask {
    /// The parameter's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// True where the value stays, row-major.
    pub keep: Vec<bool>,
}

/// Which values of a network stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mask {
    /// One entry for each pruned tensor.
    pub tensors: Vec<TensorMask>,
}

impl Mask {
    /// The mask of the weights of `network` that are not zero now.
    pub fn of_nonzeros(network: &dyn Network) -> Self {
        let tensors = network
            .parameters()
            .into_iter()
            .filter(|p| p.role() == Role::Weight)
            .map(|p| TensorMask {
                name: p.name().to_owned(),
                shape: p.shape().to_vec(),
                keep: p.values().iter().map(|&w| w != 0.0).collect(),
            })
            .collect();
        Mask { tensors }
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

    /// Sets to +0 all values that do not stay.
    ///
    /// # Errors
    /// Before anything is changed: where a tensor is unknown to `network` or its shape differs.
    pub fn apply(&self, network: &mut dyn Network) -> Result<()> {
        for tensor in &self.tensors {
            let parameter = network.parameter(&tensor.name)?;
            Error::check_shape(&tensor.name, &tensor.shape, parameter.shape())?;
            Error::check_shape(
                &tensor.name,
                &[parameter.values().len()],
                &[tensor.keep.len()],
            )?;
        }
        for parameter in network.parameters_mut() {
            if let Some(tensor) = self.tensors.iter().find(|t| t.name == parameter.name()) {
                zero_where(parameter.values_mut(), &tensor.keep)?;
            }
        }
        Ok(())
    }
}
