//! What is measured on the models of a run, as their files say they are.

use compress_core::network::{Architecture, Network, Role};
use compress_core::samples::Samples;
use compress_format::artifact::Artifact;
use compress_format::runtime::Runtime;
use compress_nn::Mlp;
use compress_nn::data::ImageSet;
use serde::Serialize;

use super::outcome::Model;
use crate::evaluate::{predicted, times};
use crate::experiments::decoded::nonzero;
use crate::run::RunError;

/// One model.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// What tells it from the others of its run.
    pub(crate) label: String,
    /// The bytes of its file.
    pub(crate) bytes: usize,
    /// Weights, without biases.
    pub(crate) weights: usize,
    /// Those that are not zero.
    pub(crate) live: usize,
    pub(crate) validation: Errors,
    /// `None` where the test set stayed shut.
    pub(crate) test: Option<Errors>,
    /// Numbers that were found on the way, by name.
    pub(crate) numbers: Vec<(String, f64)>,
    /// How wide its layers are, features first.
    pub(super) widths: Vec<usize>,
    /// Microseconds per image, one by one and in batches, on one thread, where they were timed.
    pub(super) microseconds: Option<[f64; 2]>,
    file: Vec<u8>,
}

/// Wrong predictions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Errors {
    pub(crate) of: usize,
    /// For each class the images of it that were taken for another.
    pub(crate) by_class: Vec<usize>,
}

impl Errors {
    /// All of them.
    pub(crate) fn total(&self) -> usize {
        self.by_class.iter().sum()
    }

    /// Their share in percent.
    pub(crate) fn percent(&self) -> f64 {
        100.0 * self.total() as f64 / self.of.max(1) as f64
    }

    fn count(runtime: &Runtime, images: &ImageSet) -> Result<Self, RunError> {
        let found = predicted(runtime, images)?;
        let mut by_class = vec![0; runtime.architecture().outputs()];
        for (found, &label) in found.iter().zip(images.labels()) {
            if *found != label {
                by_class[label as usize] += 1;
            }
        }
        Ok(Errors {
            of: images.len(),
            by_class,
        })
    }
}

impl Measured {
    pub(super) fn of(
        model: Model,
        validation: &ImageSet,
        test: Option<&ImageSet>,
    ) -> Result<Self, RunError> {
        let artifact = Artifact::from_bytes(&model.file)?;
        let network = Mlp::from_tensors(artifact.architecture.clone(), &artifact.tensors)?;
        let runtime = Runtime::new(artifact)?;
        let parameters = network.parameters().into_iter();
        let weights: Vec<_> = parameters.filter(|p| p.role() == Role::Weight).collect();
        Ok(Measured {
            label: model.label,
            bytes: model.file.len(),
            weights: weights.iter().map(|w| w.values().len()).sum(),
            live: weights.iter().map(|w| nonzero(w)).sum(),
            validation: Errors::count(&runtime, validation)?,
            test: test.map(|test| Errors::count(&runtime, test)).transpose()?,
            numbers: model.numbers,
            widths: widths(&network),
            microseconds: None,
            file: model.file,
        })
    }

    /// Times its predictions.
    pub(super) fn time(&mut self, images: &ImageSet) -> Result<(), RunError> {
        let runtime = Runtime::new(Artifact::from_bytes(&self.file)?)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        self.microseconds = Some(pool.install(|| times(&runtime, images))?);
        Ok(())
    }

    /// The errors that a report is about: on the test set, or where it stayed shut on the
    /// validation images.
    pub(crate) fn errors(&self) -> &Errors {
        self.test.as_ref().unwrap_or(&self.validation)
    }

    /// A number that was found on the way.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let found = self.numbers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }
}

fn widths(network: &Mlp) -> Vec<usize> {
    let Architecture {
        features, layers, ..
    } = network.architecture();
    std::iter::once(features)
        .chain(layers.iter().map(|l| l.outputs))
        .collect()
}
