//! The highest sparsity whose measured error stays within a budget.

use compress_core::mask::{Mask, Scores, Structure};
use compress_core::parameters::{Kept, Parameters};
use compress_core::{Error as CoreError, Result as CoreResult};
use serde::{Deserialize, Serialize};

use super::curves::Sensitivity;
use super::front::{FrontPoint, sort};
use super::masked::{Measure, base_error, check, error_under, originals};
use super::options::Options;
use crate::Result;

/// Into how many parts the range of kept values is cut at first.
const PARTS: usize = 8;

/// What [`search_densities`] may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchOptions {
    /// The largest error that is allowed, as measured.
    pub budget: f64,
    /// How many allocations may be measured, beside the model as it is.
    pub measurements: usize,
}

impl SearchOptions {
    /// This budget, and at most 64 measurements.
    pub fn within(budget: f64) -> Self {
        SearchOptions {
            budget,
            measurements: 64,
        }
    }
}

/// What [`search_densities`] found. It can be saved and read with [`compress_core::structured`], or any
/// other format of `serde`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DensitySearch {
    /// The density of each scored tensor, in the order of the scores.
    pub tensors: Vec<TensorDensity>,
    /// What stays.
    pub mask: Mask,
    /// The measured error under the mask.
    pub error: f64,
    /// All that was measured, the fewest kept values first. The model as it is stands at the end.
    pub front: Vec<FrontPoint>,
}

/// The density that was chosen for a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorDensity {
    /// The tensor's name.
    pub name: String,
    /// How many values it has.
    pub values: usize,
    /// How many of them stay.
    pub kept: usize,
    /// The density, one of those of the sensitivity; 1 where the tensor stays as it is.
    pub density: f64,
}

/// Searches for the densities of all tensors that keep the fewest values while the measured error is
/// at most `options.budget`. The model is put back bit by bit; apply [`DensitySearch::mask`] to prune it.
///
/// Use the `scores`, `structure` and `measure` that `sensitivity` was found with. A tensor can have
/// the densities of its sensitivity, and 1.
///
/// # Method
/// How many values stay in all is bisected. For each such number, the allocation with the least sum of
/// expected rises of the error ([`Sensitivity::rises`]) is found by [`compress_core::allocate`], and the
/// model is measured with it: the rises of several tensors do not add up, so only the measured error
/// counts. At first the range is cut into eight parts, which bracket the budget and give the front its
/// shape. In the end tensors are taken down by one density each, those that save the most values first,
/// while the error stays within the budget.
///
/// The error of what is found was measured to be within the budget. That nothing sparser exists is not
/// promised.
///
/// # Errors
/// Before anything is changed: where the budget is NaN or below the error of the model as it is, where
/// that error is not finite, where the scores are none, cannot be ranked or do not fit the model, and
/// where `sensitivity` lacks a scored tensor, has another size of it or a density that is not from 0 to
/// 1. Then those of `measure`, the structure and the model.
///
/// # Examples
/// The sparsest network that has no more than three errors beyond those of the trained one:
///
/// ```
/// use compress_core::evidence::Known;
/// use compress_core::mask::score;
/// use compress_core::train::{Fit, Samples, predict};
/// use compress_prune::{Global, Magnitude, SearchOptions, search_densities, sensitivity};
/// use compress_testing::{Chain, CrossEntropy, Sgd, blobs};
///
/// // Any model with named tensors.
/// let (training, validation) = (blobs(192, 8, 3, 1), blobs(96, 8, 3, 2));
/// let mut trainer = Sgd::new(Chain::random(&[8, 24, 3], 1));
/// trainer.fit(&training, &CrossEntropy, &mut [])?;
/// let mut model = trainer.network;
///
/// // Any error: here wrong predictions.
/// let mut errors = |model: &Chain| {
///     let logits = predict(model, &validation, 0)?;
///     let wrong = logits.rows().into_iter().zip(validation.labels()).filter(|(row, label)| {
///         row.iter().any(|logit| *logit > row[**label as usize])
///     });
///     Ok(wrong.count() as f64)
/// };
///
/// let scores = score(&model, &Magnitude, &Known::nothing())?;
/// let structure = Global::default();
/// let densities = [0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05];
/// let curves = sensitivity(&mut model, &scores, &structure, &densities, &mut errors)?;
/// let options = SearchOptions::within(curves.base_error + 3.0);
/// let found = search_densities(&mut model, &scores, &structure, &curves, &options, &mut errors)?;
///
/// found.mask.apply(&mut model)?;
/// assert_eq!(errors(&model)?, found.error);
/// assert!(found.error <= options.budget && found.mask.density() < 0.5);
/// for tensor in &found.tensors {
///     println!("{}: {} of {} values stay", tensor.name, tensor.kept, tensor.values);
/// }
/// for point in found.front.iter().filter(|point| !point.dominated) {
///     println!("density {:.3}: {:?} errors", point.density, point.error);
/// }
///
/// // Saved and read.
/// let bytes = compress_core::structured::to_bytes(&found)?;
/// assert_eq!(found, compress_core::structured::from_all_bytes(&bytes)?);
/// # Ok::<(), compress_prune::Error>(())
/// ```
///
/// # References
/// Shoham and Gersho 1988, *Efficient bit allocation for an arbitrary set of quantizers*: the
/// allocation by measured curves.
/// Frantar and Alistarh 2022 (2201.13096), section 3: sparsity for each layer by dynamic programming.
/// Frantar, Singh, Alistarh 2022 (2208.11580), section 6: one database of layers for many budgets.
pub fn search_densities<M: Parameters + ?Sized>(
    model: &mut M,
    scores: &Scores,
    structure: &dyn Structure,
    sensitivity: &Sensitivity,
    options: &SearchOptions,
    measure: &mut Measure<'_, M>,
) -> Result<DensitySearch> {
    check(model, scores)?;
    let settings = Options::of(scores, structure, sensitivity)?;
    let base = base_error(model, measure)?;
    // A NaN is no budget either.
    if !matches!(options.budget.partial_cmp(&base), Some(order) if order.is_ge()) {
        let expected = format!("at least {base}, the error before pruning");
        return Err(CoreError::invalid("the error budget", options.budget, expected).into());
    }
    let whole = vec![0; scores.tensors.len()];
    let mut search = Search {
        originals: originals(model, &scores.tensors)?,
        model,
        measure,
        best: Best {
            choices: whole.clone(),
            kept: scores.len(),
            error: base,
        },
        measured: vec![(whole, Some(base))],
        settings,
        budget: options.budget,
        left: options.measurements,
    };
    search.bracket()?;
    search.descend()?;
    search.finish(scores)
}

struct Search<'a, 'f, M: ?Sized> {
    originals: Kept,
    model: &'a mut M,
    measure: &'a mut Measure<'f, M>,
    settings: Options<'a>,
    budget: f64,
    /// How many measurements are left.
    left: usize,
    /// All measured choices and their errors, in the order of measuring.
    measured: Vec<(Vec<usize>, Option<f64>)>,
    best: Best,
}

/// Of all measured allocations within the budget the one that keeps the fewest values.
struct Best {
    choices: Vec<usize>,
    kept: usize,
    error: f64,
}

impl<M: Parameters + ?Sized> Search<'_, '_, M> {
    /// Finds the number of kept values at which the error reaches the budget.
    fn bracket(&mut self) -> CoreResult<()> {
        let (least, total) = (self.settings.least(), self.best.kept);
        // The error need not rise at each step: what lies above the best does not count.
        let mut low = least;
        for part in 1..=PARTS {
            let kept = least + (total - least) / PARTS * (PARTS - part);
            let choices = self.settings.allocate(kept)?;
            match self.is_within(&choices)? {
                Some(true) => low = least,
                Some(false) => low = low.max(kept),
                None => return Ok(()),
            }
        }
        let mut high = self.best.kept;
        while high > low.saturating_add(1) {
            let middle = low + (high - low) / 2;
            let choices = self.settings.allocate(middle)?;
            match self.is_within(&choices)? {
                Some(true) => high = self.settings.kept(&choices),
                Some(false) => low = middle,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Takes tensors down by one density each, as long as the error stays within the budget.
    fn descend(&mut self) -> CoreResult<()> {
        let mut open = vec![true; self.best.choices.len()];
        loop {
            // The next option of each tensor that saves values; the first of those that save the most.
            let next = (0..open.len()).filter(|&tensor| open[tensor]);
            let next = next.filter_map(|tensor| {
                let (options, at) = (&self.settings.tensors[tensor], self.best.choices[tensor]);
                let kept = options[at].kept;
                let to = (at + 1..options.len()).find(|&to| options[to].kept < kept)?;
                Some((tensor, to, kept - options[to].kept))
            });
            let most = next.reduce(|best, next| if next.2 > best.2 { next } else { best });
            let Some((tensor, to, _)) = most else {
                return Ok(());
            };
            let mut choices = self.best.choices.clone();
            choices[tensor] = to;
            match self.is_within(&choices)? {
                Some(within) => open[tensor] = within,
                None => return Ok(()),
            }
        }
    }

    /// Whether these choices are within the budget; measures them if they have not been measured.
    /// `None` where no measurement is left.
    fn is_within(&mut self, choices: &[usize]) -> CoreResult<Option<bool>> {
        let known = self.measured.iter().find(|(known, _)| known == choices);
        let error = match known {
            Some((_, error)) => *error,
            None if self.left == 0 => return Ok(None),
            None => {
                self.left -= 1;
                let mask = self.settings.mask(choices)?;
                let error = error_under(&mask, self.model, &self.originals, self.measure)?;
                tracing::debug!(kept = mask.kept(), error, "measured an allocation");
                self.measured.push((choices.to_vec(), error));
                error
            }
        };
        let Some(error) = error.filter(|&error| error <= self.budget) else {
            return Ok(Some(false));
        };
        let kept = self.settings.kept(choices);
        if kept < self.best.kept {
            let choices = choices.to_vec();
            self.best = Best {
                choices,
                kept,
                error,
            };
        }
        Ok(Some(true))
    }

    fn finish(self, scores: &Scores) -> Result<DensitySearch> {
        let total = scores.len().max(1) as f64;
        let point = |(choices, error): &(Vec<usize>, Option<f64>)| {
            let kept = self.settings.kept(choices);
            FrontPoint {
                kept,
                density: kept as f64 / total,
                error: *error,
                densities: self.settings.chosen(choices).map(|s| s.density).collect(),
                dominated: false,
            }
        };
        let mut front: Vec<FrontPoint> = self.measured.iter().map(point).collect();
        sort(&mut front);
        let chosen = self.settings.chosen(&self.best.choices);
        let tensors = scores.tensors.iter().zip(chosen);
        let tensors = tensors.map(|(tensor, setting)| TensorDensity {
            name: tensor.name.clone(),
            values: tensor.values.len(),
            kept: setting.kept,
            density: setting.density,
        });
        Ok(DensitySearch {
            tensors: tensors.collect(),
            mask: self.settings.mask(&self.best.choices)?,
            error: self.best.error,
            front,
        })
    }
}
