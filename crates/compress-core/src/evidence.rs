//! What an algorithm knows about a tensor beside its values.

use std::collections::HashMap;

use crate::calibrate::{Activity, Calibration, Gram, InputGram, InputStatistics, OutputActivity};
use crate::gradients::Gradients;
use crate::graph::{Graph, Part};
use crate::observe::{Observe, Place, observe};
use crate::ops::rows::add_column_squares;
use crate::parameters::{self, Parameters};
use crate::tensor::Role;
use crate::{Error, Result};

/// What may be known of each single value of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PerValue {
    /// The gradient of a loss.
    Gradient,
    /// An optimizer's running mean of squared gradients of batches.
    SecondMoments,
    /// The mean over samples of the squared gradient of a single one: the diagonal of the empirical
    /// Fisher information ([`crate::differentiate::mean_squared_gradient`]).
    SquaredGradient,
    /// The product of a loss's Hessian with its gradient ([`crate::differentiate::hessian_product`]).
    HessianGradient,
    /// How much of all paths through the network goes through the value
    /// ([`crate::differentiate::synaptic_flow`]).
    SynapticFlow,
    /// The sum of −w·g over training steps: positive where training moved the value away from zero
    /// ([`Known::add_movement`]).
    Movement,
}

impl PerValue {
    /// What it is, and how it can be had: for errors.
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            PerValue::Gradient => (
                "the gradient",
                "train with a hook, or ask `differentiate::evidence`",
            ),
            PerValue::SecondMoments => (
                "the second moments",
                "train with an optimizer that keeps second moments of gradients, as Adam does",
            ),
            PerValue::SquaredGradient => (
                "the squared gradient of single samples",
                "ask `differentiate::evidence`",
            ),
            PerValue::HessianGradient => (
                "the product of Hessian and gradient",
                "ask `differentiate::evidence`",
            ),
            PerValue::SynapticFlow => ("the synaptic flow", "ask `differentiate::evidence`"),
            PerValue::Movement => ("the movement", "train with a hook that adds it up"),
        }
    }
}

/// One vector for each of some tensors, under its name.
pub type ByTensor = Vec<(String, Vec<f32>)>;

/// What an algorithm needs to know about a weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What it needs of each value.
    pub values: &'static [PerValue],
    /// Statistics of what the weight reads.
    pub inputs: bool,
    /// The Gram matrix XᵀX of what the weight reads.
    pub gram: bool,
    /// The norms of the weights that read each of its outputs.
    pub readers: bool,
    /// How often each of its outputs is not zero, after its activation.
    pub activity: bool,
}

impl Needs {
    /// Of each value one kind of knowledge, and nothing else.
    pub fn of(values: &'static [PerValue]) -> Self {
        Needs {
            values,
            ..Needs::default()
        }
    }

    /// Whether it needs this of each value.
    pub fn has(&self, kind: PerValue) -> bool {
        self.values.contains(&kind)
    }
}

/// What is known about one weight. An algorithm asks by a method, which fails where it is not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    values: [Option<&'a [f32]>; KINDS],
    inputs: Option<&'a InputStatistics>,
    gram: Option<&'a InputGram>,
    /// Empty where it is known that no weight reads the rows.
    readers: Option<&'a [f64]>,
    activity: Option<&'a OutputActivity>,
}

/// How many kinds of [`PerValue`] there are: the last one's number and one. The match names all of
/// them, so a new one does not compile before it is counted here.
const KINDS: usize = match PerValue::Movement {
    last @ (PerValue::Gradient
    | PerValue::SecondMoments
    | PerValue::SquaredGradient
    | PerValue::HessianGradient
    | PerValue::SynapticFlow
    | PerValue::Movement) => last as usize + 1,
};

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

    /// With one number for each value of the weight.
    #[must_use]
    pub fn with_values(mut self, kind: PerValue, values: &'a [f32]) -> Self {
        self.values[kind as usize] = Some(values);
        self
    }

    /// With how often each output of the weight is not zero.
    #[must_use]
    pub fn with_activity(self, activity: &'a OutputActivity) -> Self {
        Evidence {
            activity: Some(activity),
            ..self
        }
    }

    /// What is known of each of the weight's `count` values. `asker` and `weight` are named in the
    /// error.
    ///
    /// # Errors
    /// Where it is not known, has another length, or is not finite.
    pub fn values(
        &self,
        kind: PerValue,
        asker: &str,
        weight: &str,
        count: usize,
    ) -> Result<&'a [f32]> {
        let (what, how) = kind.describe();
        let found = some(self.values[kind as usize], asker, weight, what, how)?;
        let what = format!("{what} of {weight}");
        Error::check_shape(&what, &[count], &[found.len()])?;
        Error::check_finite(&what, found)?;
        Ok(found)
    }

    /// How often each of the weight's `rows` outputs is not zero.
    ///
    /// # Errors
    /// As [`Evidence::values`].
    pub fn activity(&self, asker: &str, weight: &str, rows: usize) -> Result<&'a OutputActivity> {
        let (what, how) = (
            "the activity of the outputs",
            "run calibration data through the model, as `Known::find_activity` does",
        );
        let seen = self.activity.filter(|activity| activity.samples > 0);
        let found = some(seen, asker, weight, what, how)?;
        let what = format!("outputs of {weight}");
        Error::check_shape(&what, &[rows], &[found.active.len()])?;
        Ok(found)
    }

    /// The statistics of what the weight reads, which has so many `columns`.
    ///
    /// # Errors
    /// As [`Evidence::values`].
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
    /// As [`Evidence::values`].
    pub fn gram(&self, asker: &str, weight: &str, columns: usize) -> Result<&'a InputGram> {
        let how = "run calibration data through the model";
        let what = "the Gram matrix of the inputs";
        let seen = self.gram.filter(|gram| gram.samples > 0);
        let found = some(seen, asker, weight, what, how)?;
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
    /// As [`Evidence::values`].
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
    values: [HashMap<String, Vec<f32>>; KINDS],
    inputs: Calibration,
    grams: Gram,
    /// `None` where nobody has looked; without an entry for weights that no other reads.
    readers: Option<HashMap<String, Vec<f64>>>,
    activity: HashMap<String, OutputActivity>,
    /// The gradients of weights that [`Known::add_movement`] has copied.
    scratch: HashMap<String, Vec<f32>>,
}

impl Known {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// What `needs` says of the inputs of weights ([`Needs::inputs`], [`Needs::gram`]), by running all
    /// calibration data once.
    ///
    /// # Errors
    /// Where there is no data; where the activity of outputs is needed, which takes a graph
    /// ([`Known::find_activity`]); those of the model.
    pub fn by_observing(model: &dyn Observe, needs: Needs) -> Result<Self> {
        if needs.activity {
            let what = "what `Known::by_observing` is to find";
            let expected = "found by `Known::find_activity`, which takes the model's graph";
            return Err(Error::invalid(what, "the activity of outputs", expected));
        }
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

    /// Sets what is known of each value of these tensors.
    pub fn set_values(&mut self, kind: PerValue, found: ByTensor) {
        self.values[kind as usize].extend(found);
    }

    /// What is known of each value, by tensor, in the order of their names: for a checkpoint.
    pub fn values(&self, kind: PerValue) -> ByTensor {
        let known = self.values[kind as usize].iter();
        let mut all: ByTensor = known.map(|(n, v)| (n.clone(), v.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Takes the gradients that `model` holds now.
    ///
    /// # Errors
    /// Those of the model.
    pub fn take_gradients(&mut self, model: &mut dyn Gradients) -> Result<()> {
        let known = &mut self.values[PerValue::Gradient as usize];
        model.visit_gradients(&mut |gradient| {
            known.insert(gradient.name.to_owned(), gradient.values.to_vec());
            Ok(())
        })
    }

    /// Takes the second moments that `model` holds now, where its optimizer keeps any.
    ///
    /// # Errors
    /// Those of the model.
    pub fn take_second_moments(&mut self, model: &dyn Gradients) -> Result<()> {
        let known = &mut self.values[PerValue::SecondMoments as usize];
        model.visit_second_moments(&mut |moments| {
            known.insert(moments.name.to_owned(), moments.values.to_vec());
            Ok(())
        })
    }

    /// Adds −w·g of each value of a weight to its [`PerValue::Movement`]: after the backward pass of a
    /// step. Keeps memory of the size of the weights for the next call.
    ///
    /// # Errors
    /// Those of the model, and where a gradient has not its parameter's shape.
    pub fn add_movement(&mut self, model: &mut dyn Gradients) -> Result<()> {
        let gradients = &mut self.scratch;
        gradients.values_mut().for_each(Vec::clear);
        model.visit_gradients(&mut |gradient| {
            if gradient.role == Role::Weight {
                let copy = gradients.entry(gradient.name.to_owned()).or_default();
                copy.extend_from_slice(gradient.values);
            }
            Ok(())
        })?;
        let known = &mut self.values[PerValue::Movement as usize];
        model.visit(&mut |tensor| {
            let count = [tensor.values.len()];
            // A copy without values is that of an earlier step.
            let has_gradient = |copy: &&Vec<f32>| count == [0] || !copy.is_empty();
            let Some(gradient) = gradients.get(tensor.name).filter(has_gradient) else {
                return Ok(());
            };
            Error::check_shape(tensor.name, &count, &[gradient.len()])?;
            let sums = known.entry(tensor.name.to_owned());
            let sums = sums.or_insert_with(|| vec![0.0; count[0]]);
            Error::check_shape(tensor.name, &count, &[sums.len()])?;
            for ((sum, &w), &g) in sums.iter_mut().zip(tensor.values).zip(gradient) {
                *sum = (-w).mul_add(g, *sum);
            }
            Ok(())
        })
    }

    /// Finds how often each output of each weight is not zero, after the activations that `graph`
    /// says follow it, by running all calibration data once.
    ///
    /// # Errors
    /// Where there is no data; those of the model.
    pub fn find_activity(&mut self, model: &dyn Observe, graph: &Graph) -> Result<()> {
        let outputs = graph.activated_outputs();
        let mut tap = Activity::of(outputs.iter().map(|(_, value)| value.clone()).collect());
        observe(model, &mut tap)?;
        for (weight, value) in outputs {
            if let Some(found) = tap.places.get(Place::Value(&value)) {
                self.activity.insert(weight, found.clone());
            }
        }
        Ok(())
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
                    let step = reader.step(weight.shape);
                    let expected = [group.features.saturating_mul(step)];
                    Error::check_shape(&what, &expected, &[matrix.ncols()])?;
                    if matrix.ncols() == group.features {
                        return add_column_squares(matrix, &mut squares);
                    }
                    // Kernels and flattened features: several columns read a feature.
                    let mut columns = vec![0.0; matrix.ncols()];
                    add_column_squares(matrix, &mut columns)?;
                    let of_features = columns.chunks(step);
                    let pairs = squares.iter_mut().zip(of_features);
                    pairs.for_each(|(sum, columns)| *sum += columns.iter().sum::<f64>());
                    Ok(())
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
            values: std::array::from_fn(|kind| self.values[kind].get(name).map(Vec::as_slice)),
            inputs: self.inputs.places.get(Place::InputOf(name)),
            gram: self.grams.places.get(Place::InputOf(name)),
            readers: self
                .readers
                .as_ref()
                .map(|readers| readers.get(name).map_or(&[][..], Vec::as_slice)),
            activity: self.activity.get(name),
        }
    }
}

#[cfg(test)]
mod tests;
