//! What an algorithm knows about a tensor beside its values.

use std::collections::HashMap;

use crate::calibrate::{Calibration, Gram, InputGram, InputStatistics};
use crate::gradients::Gradients;
use crate::graph::{Graph, Part};
use crate::observe::{Observe, Place, observe};
use crate::ops::rows::add_column_squares;
use crate::parameters::{self, Parameters};
use crate::{Error, Result};

/// What an algorithm needs to know about a weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The gradient of a loss.
    pub gradient: bool,
    /// An optimizer's running mean of squared gradients.
    pub second_moments: bool,
    /// Statistics of what the weight reads.
    pub inputs: bool,
    /// The Gram matrix XᵀX of what the weight reads.
    pub gram: bool,
    /// The norms of the weights that read each of its outputs.
    pub readers: bool,
}

/// What is known about one weight. An algorithm asks by a method, which fails where it is not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    gradient: Option<&'a [f32]>,
    second_moments: Option<&'a [f32]>,
    inputs: Option<&'a InputStatistics>,
    gram: Option<&'a InputGram>,
    /// Empty where it is known that no weight reads the rows.
    readers: Option<&'a [f64]>,
}

impl<'a> Evidence<'a> {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// With the statistics of what the weight reads.
    #[must_use]
    pub fn with_inputs(self, inputs: &'a InputStatistics) -> Self {
        Evidence {
            inputs: Some(inputs),
            ..self
        }
    }

    /// With the Gram matrix of what the weight reads.
    #[must_use]
    pub fn with_gram(self, gram: &'a InputGram) -> Self {
        Evidence {
            gram: Some(gram),
            ..self
        }
    }

    /// With the gradient of a loss, one for each value of the weight.
    #[must_use]
    pub fn with_gradient(self, gradient: &'a [f32]) -> Self {
        Evidence {
            gradient: Some(gradient),
            ..self
        }
    }

    /// With an optimizer's second moments, one for each value of the weight.
    #[must_use]
    pub fn with_second_moments(self, second_moments: &'a [f32]) -> Self {
        Evidence {
            second_moments: Some(second_moments),
            ..self
        }
    }

    /// The gradient; `asker` and `weight` are named in the error.
    ///
    /// # Errors
    /// [`Error::NoEvidence`] where it is not known; where its length is not that of the weight, or a
    /// value is NaN or infinite.
    pub fn gradient(&self, asker: &str, weight: &str, count: usize) -> Result<&'a [f32]> {
        let how = "train with a hook, or compute it and add it to the evidence";
        let found = some(self.gradient, asker, weight, "the gradient", how)?;
        check(&format!("the gradient of {weight}"), count, found)?;
        Ok(found)
    }

    /// The second moments.
    ///
    /// # Errors
    /// As [`Evidence::gradient`].
    pub fn second_moments(&self, asker: &str, weight: &str, count: usize) -> Result<&'a [f32]> {
        let how = "train with an optimizer that keeps second moments of gradients, as Adam does";
        let what = "the second moments";
        let found = some(self.second_moments, asker, weight, what, how)?;
        check(&format!("the second moments of {weight}"), count, found)?;
        Ok(found)
    }

    /// The statistics of what the weight reads, which has so many `columns`.
    ///
    /// # Errors
    /// As [`Evidence::gradient`].
    pub fn inputs(&self, asker: &str, weight: &str, columns: usize) -> Result<&'a InputStatistics> {
        let how = "run calibration data through the model";
        let what = "statistics of the inputs";
        let seen = self.inputs.filter(|inputs| inputs.samples > 0);
        let found = some(seen, asker, weight, what, how)?;
        let what = format!("columns of the inputs of {weight}");
        Error::check_shape(&what, &[columns], &[found.square_sums.len()])?;
        let possible = |sum: &f64| *sum >= 0.0 && sum.is_finite();
        match found.square_sums.iter().find(|sum| !possible(sum)) {
            None => Ok(found),
            Some(sum) => {
                let what = format!("a sum of squares of the inputs of {weight}");
                Err(Error::invalid(what, sum, "finite and not negative"))
            }
        }
    }

    /// The Gram matrix of what the weight reads.
    ///
    /// # Errors
    /// As [`Evidence::gradient`].
    pub fn gram(&self, asker: &str, weight: &str, columns: usize) -> Result<&'a InputGram> {
        let how = "run calibration data through the model";
        let found = some(
            self.gram,
            asker,
            weight,
            "the Gram matrix of the inputs",
            how,
        )?;
        let what = format!("the Gram matrix of the inputs of {weight}");
        Error::check_shape(&what, &[columns, columns], found.matrix.shape())?;
        // Sums of f32 that overflow.
        let values = found.matrix.as_standard_layout();
        Error::check_finite(&what, values.as_slice().unwrap_or_default())?;
        Ok(found)
    }

    /// For each of the weight's `rows`, the norm of the weights that read it; `None` where no weight
    /// reads them, as the outputs of a network.
    ///
    /// # Errors
    /// As [`Evidence::gradient`].
    pub fn readers(&self, asker: &str, weight: &str, rows: usize) -> Result<Option<&'a [f64]>> {
        let how = "find them in the model's graph, as `Known::find_readers` does";
        let what = "the norms of the readers";
        let found = some(self.readers, asker, weight, what, how)?;
        if found.is_empty() {
            return Ok(None);
        }
        let what = format!("readers of {weight}");
        Error::check_shape(&what, &[rows], &[found.len()])?;
        Ok(Some(found))
    }
}

/// Fails unless there are `count` values, all finite.
fn check(what: &str, count: usize, values: &[f32]) -> Result<()> {
    Error::check_shape(what, &[count], &[values.len()])?;
    Error::check_finite(what, values)
}

fn some<T>(
    found: Option<T>,
    asker: &str,
    weight: &str,
    evidence: &'static str,
    how: &'static str,
) -> Result<T> {
    found.ok_or_else(|| Error::NoEvidence {
        asker: asker.to_owned(),
        tensor: weight.to_owned(),
        evidence,
        how,
    })
}

/// What is known about all weights of a model.
#[derive(Clone, Debug, Default)]
pub struct Known {
    gradients: HashMap<String, Vec<f32>>,
    second_moments: HashMap<String, Vec<f32>>,
    inputs: Calibration,
    grams: Gram,
    /// `None` where nobody has looked; without an entry for weights that no other reads.
    readers: Option<HashMap<String, Vec<f64>>>,
}

impl Known {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// What `needs` says of calibration data, by running all of it once.
    ///
    /// # Errors
    /// Where there is no data; those of the model.
    pub fn by_observing(model: &dyn Observe, needs: Needs) -> Result<Self> {
        let mut known = Self::default();
        match (needs.inputs, needs.gram) {
            (true, true) => {
                let mut both = (Calibration::default(), Gram::default());
                observe(model, &mut both)?;
                (known.inputs, known.grams) = both;
            }
            (true, false) => observe(model, &mut known.inputs)?,
            (false, true) => observe(model, &mut known.grams)?,
            (false, false) => {}
        }
        Ok(known)
    }

    /// Takes the gradients that `model` holds now.
    ///
    /// # Errors
    /// Those of the model.
    pub fn take_gradients(&mut self, model: &mut dyn Gradients) -> Result<()> {
        model.visit_gradients(&mut |gradient| {
            self.gradients
                .insert(gradient.name.to_owned(), gradient.values.to_vec());
            Ok(())
        })
    }

    /// Takes the second moments that `model` holds now, where its optimizer keeps any.
    ///
    /// # Errors
    /// Those of the model.
    pub fn take_second_moments(&mut self, model: &dyn Gradients) -> Result<()> {
        model.visit_second_moments(&mut |moments| {
            self.second_moments
                .insert(moments.name.to_owned(), moments.values.to_vec());
            Ok(())
        })
    }

    /// Finds for each weight the norms of the weights that read its rows: `graph` says which do.
    ///
    /// # Errors
    /// Where the model lacks a tensor of the graph, it has another shape, or a weight is not finite.
    pub fn find_readers<P: Parameters + ?Sized>(&mut self, model: &P, graph: &Graph) -> Result<()> {
        let mut found: HashMap<String, Vec<f64>> = HashMap::new();
        for group in graph.groups() {
            let mut squares = vec![0.0; group.features];
            for reader in group.of(Part::Reads) {
                parameters::with(model, &reader.tensor, |weight| {
                    weight.check_finite()?;
                    let (matrix, what) = (weight.matrix()?, format!("columns of {}", weight.name));
                    Error::check_shape(&what, &[group.features], &[matrix.ncols()])?;
                    add_column_squares(matrix, &mut squares)
                })?;
            }
            if group.of(Part::Reads).next().is_some() {
                for writer in group.of(Part::Writes) {
                    // Nodes that share a weight have readers each.
                    let all = found.entry(writer.tensor.clone());
                    let all = all.or_insert_with(|| vec![0.0; squares.len()]);
                    Error::check_shape(&writer.tensor, &[all.len()], &[squares.len()])?;
                    all.iter_mut().zip(&squares).for_each(|(sum, s)| *sum += s);
                }
            }
        }
        let norms = |squares: Vec<f64>| squares.into_iter().map(f64::sqrt).collect();
        let found = found.into_iter();
        self.readers = Some(
            found
                .map(|(name, squares)| (name, norms(squares)))
                .collect(),
        );
        Ok(())
    }

    /// What is known about the weight `name`.
    pub fn of(&self, name: &str) -> Evidence<'_> {
        Evidence {
            gradient: self.gradients.get(name).map(Vec::as_slice),
            second_moments: self.second_moments.get(name).map(Vec::as_slice),
            inputs: self.inputs.places.get(Place::InputOf(name)),
            gram: self.grams.places.get(Place::InputOf(name)),
            readers: self
                .readers
                .as_ref()
                .map(|readers| readers.get(name).map_or(&[][..], Vec::as_slice)),
        }
    }
}

#[cfg(test)]
mod tests;
