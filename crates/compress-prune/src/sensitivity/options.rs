//! The densities that each tensor can have, and the allocation among them.

use compress_core::allocate::{Choice, allocate};
use compress_core::mask::{Mask, Scores, Structure};
use compress_core::{Error as CoreError, Result as CoreResult};

use super::curves::Sensitivity;
use super::masked::{alone, kept, whole};
use crate::Result;

/// A density that a tensor can have.
pub(super) struct Setting {
    pub(super) density: f64,
    /// How many values stay.
    pub(super) kept: usize,
    /// How much the error is expected to rise.
    rise: f64,
}

/// The densities of each tensor, from the highest, at which all stays, to the lowest.
pub(super) struct Options<'a> {
    scores: &'a Scores,
    structure: &'a dyn Structure,
    pub(super) tensors: Vec<Vec<Setting>>,
}

impl<'a> Options<'a> {
    /// What `sensitivity` has measured, and that all stays.
    ///
    /// # Errors
    /// Where a scored tensor is not in `sensitivity`, or with another size; those of the structure.
    pub(super) fn of(
        scores: &'a Scores,
        structure: &'a dyn Structure,
        sensitivity: &Sensitivity,
    ) -> Result<Self> {
        let mut tensors = Vec::with_capacity(scores.tensors.len());
        for tensor in &scores.tensors {
            let values = sensitivity.of(&tensor.name)?.values;
            let what = format!("values of {} in the sensitivity", tensor.name);
            CoreError::check_shape(&what, &[tensor.values.len()], &[values])?;
            let mut settings = vec![Setting {
                density: 1.0,
                kept: values,
                rise: 0.0,
            }];
            for (density, rise) in sensitivity.rises(&tensor.name)? {
                let kept = kept(&alone(structure, tensor, density)?);
                settings.push(Setting {
                    density,
                    kept,
                    rise,
                });
            }
            tensors.push(settings);
        }
        Ok(Options {
            scores,
            structure,
            tensors,
        })
    }

    /// The settings with the least expected error that keep at most `budget` values.
    pub(super) fn allocate(&self, budget: usize) -> CoreResult<Vec<usize>> {
        let choice = |setting: &Setting| Choice {
            cost: setting.rise,
            demand: setting.kept as f64,
        };
        let choices = self.tensors.iter().map(|t| t.iter().map(choice).collect());
        let choices: Vec<Vec<Choice>> = choices.collect();
        Ok(allocate(&choices, budget as f64)?.choices)
    }

    /// The fewest values that can be kept.
    pub(super) fn least(&self) -> usize {
        let least = |settings: &Vec<Setting>| settings.iter().map(|o| o.kept).min().unwrap_or(0);
        self.tensors.iter().map(least).sum()
    }

    /// The chosen setting of each tensor.
    pub(super) fn chosen(&self, choices: &[usize]) -> impl Iterator<Item = &Setting> {
        let pairs = self.tensors.iter().zip(choices);
        pairs.map(|(settings, &choice)| &settings[choice])
    }

    /// How many values stay with these choices.
    pub(super) fn kept(&self, choices: &[usize]) -> usize {
        self.chosen(choices).map(|setting| setting.kept).sum()
    }

    /// The mask of these choices.
    pub(super) fn mask(&self, choices: &[usize]) -> CoreResult<Mask> {
        let tensors = self.scores.tensors.iter().zip(choices).zip(&self.tensors);
        let masks = tensors.map(|((tensor, &choice), settings)| match choice {
            0 => Ok(whole(tensor)),
            _ => alone(self.structure, tensor, settings[choice].density),
        });
        Ok(Mask {
            tensors: masks.collect::<CoreResult<_>>()?,
        })
    }
}
