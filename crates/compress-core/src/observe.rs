//! Watching a model while it runs over calibration data.

use ndarray::{Array2, ArrayView2};

use crate::parameters::{Change, Parameters, See};
use crate::samples::Samples;
use crate::{Error, Result};

/// Samples of a batch: enough to fill the kernels, few enough for the cache.
const BATCH: usize = 512;

/// Where in a model a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place<'a> {
    /// What the weight of this name multiplies: a matrix with as many columns as a row of the
    /// weight has values ([`crate::tensor::matrix_shape`]). For a convolution, the patches.
    InputOf(&'a str),
    /// The value of this name in the model's graph, such as a layer's output, `[rows, features]`.
    Value(&'a str),
}

impl Place<'_> {
    /// The name of the weight or value.
    pub fn name(&self) -> &str {
        match self {
            Place::InputOf(name) | Place::Value(name) => name,
        }
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::InputOf(name) => write!(f, "the inputs of {name}"),
            Place::Value(name) => write!(f, "the value {name}"),
        }
    }
}

/// Watches a model while it runs.
pub trait Tap {
    /// Whether it wants to be shown what stands at this place. By default it wants what weights
    /// read. A model calls this before it computes what only a tap needs.
    fn wants(&self, place: Place<'_>) -> bool {
        matches!(place, Place::InputOf(_))
    }

    /// Takes the next rows of a place; it may be called several times for one batch.
    ///
    /// # Errors
    /// Where the rows are not what can be taken, such as a value that is not finite.
    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()>;
}

/// A model together with calibration data.
pub trait Observe {
    /// How many batches of data there are.
    fn batches(&self) -> usize;

    /// Runs batch number `batch` and shows `tap` what it wants. The same batch gives the same rows
    /// each time.
    ///
    /// # Errors
    /// Those of the model, the data and the tap.
    fn observe_batch(&self, batch: usize, tap: &mut dyn Tap) -> Result<()>;
}

/// A model that can be watched on any inputs.
pub trait Tapped {
    /// Runs `inputs` `[batch, features]` and shows `tap` what it wants.
    ///
    /// # Errors
    /// Those of the model and the tap.
    fn run_tapped(&self, inputs: ArrayView2<'_, f32>, tap: &mut dyn Tap) -> Result<()>;
}

/// A model that runs on samples, as they are in epoch 0, in batches of 512.
#[derive(Clone, Copy)]
pub struct OnSamples<'a> {
    model: &'a dyn Tapped,
    samples: &'a dyn Samples,
}

impl<'a> OnSamples<'a> {
    /// `model` on all of `samples`.
    pub fn new(model: &'a dyn Tapped, samples: &'a dyn Samples) -> Self {
        OnSamples { model, samples }
    }
}

impl Observe for OnSamples<'_> {
    fn batches(&self) -> usize {
        self.samples.len().div_ceil(BATCH)
    }

    fn observe_batch(&self, batch: usize, tap: &mut dyn Tap) -> Result<()> {
        let count = self.samples.len();
        let first = batch.saturating_mul(BATCH).min(count);
        let indices: Vec<usize> = (first..first.saturating_add(BATCH).min(count)).collect();
        let mut rows = Array2::zeros((indices.len(), self.samples.features()));
        self.samples.fill(0, &indices, rows.view_mut())?;
        self.model.run_tapped(rows.view(), tap)
    }
}

/// A model with samples that can also be changed: [`OnSamples`] and [`Parameters`] in one.
pub struct WithSamples<'a, M> {
    model: &'a mut M,
    samples: &'a dyn Samples,
}

impl<'a, M: Tapped> WithSamples<'a, M> {
    /// `model` on all of `samples`.
    pub fn new(model: &'a mut M, samples: &'a dyn Samples) -> Self {
        WithSamples { model, samples }
    }

    fn on_samples(&self) -> OnSamples<'_> {
        OnSamples::new(&*self.model, self.samples)
    }
}

impl<M: Tapped> Observe for WithSamples<'_, M> {
    fn batches(&self) -> usize {
        self.on_samples().batches()
    }

    fn observe_batch(&self, batch: usize, tap: &mut dyn Tap) -> Result<()> {
        self.on_samples().observe_batch(batch, tap)
    }
}

impl<M: Parameters> Parameters for WithSamples<'_, M> {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.model.visit(see)
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        self.model.visit_mut(change)
    }
}

/// Runs all calibration data and shows `tap` what it wants.
///
/// # Errors
/// Where there is no data, and those of the model and the tap.
pub fn observe(model: &dyn Observe, tap: &mut dyn Tap) -> Result<()> {
    check_some(model)?;
    for batch in 0..model.batches() {
        model.observe_batch(batch, tap)?;
    }
    tracing::debug!(batches = model.batches(), "observed");
    Ok(())
}

/// What is called with a place, and the rows that a first and a second model show there.
pub type Compare<'f> =
    dyn FnMut(Place<'_>, ArrayView2<'_, f32>, ArrayView2<'_, f32>) -> Result<()> + 'f;

/// Runs two models on the same batches. `compare` is given, for each batch and each of `places`,
/// the rows of the first model and those of the second. Rows of one batch are held at a time.
///
/// # Errors
/// Where the models have no data or different numbers of batches, one does not show a place, or
/// their rows have different shapes; those of the models and of `compare`.
pub fn compare(
    first: &dyn Observe,
    second: &dyn Observe,
    places: &[Place<'_>],
    compare: &mut Compare<'_>,
) -> Result<()> {
    check_some(first)?;
    Error::check_shape("batches", &[first.batches()], &[second.batches()])?;
    for batch in 0..first.batches() {
        let [first, second] = [first, second].map(|model| {
            let mut record = Record::new(places);
            model.observe_batch(batch, &mut record)?;
            record.finish()
        });
        for ((&place, first), second) in places.iter().zip(first?).zip(second?) {
            Error::check_shape(&place.to_string(), first.shape(), second.shape())?;
            compare(place, first.view(), second.view())?;
        }
    }
    Ok(())
}

fn check_some(model: &dyn Observe) -> Result<()> {
    match model.batches() {
        0 => Err(Error::Empty {
            what: "the calibration data".into(),
        }),
        _ => Ok(()),
    }
}

/// Keeps the rows of some places.
struct Record<'a> {
    places: &'a [Place<'a>],
    rows: Vec<Option<Array2<f32>>>,
}

impl<'a> Record<'a> {
    fn new(places: &'a [Place<'a>]) -> Self {
        let rows = vec![None; places.len()];
        Record { places, rows }
    }

    fn finish(self) -> Result<Vec<Array2<f32>>> {
        let places = self.places.iter();
        let rows = places.zip(self.rows).map(|(place, rows)| {
            rows.ok_or_else(|| Error::Unseen {
                place: place.to_string(),
            })
        });
        rows.collect()
    }
}

impl Tap for Record<'_> {
    fn wants(&self, place: Place<'_>) -> bool {
        self.places.contains(&place)
    }

    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        for (wanted, kept) in self.places.iter().zip(&mut self.rows) {
            if *wanted == place {
                match kept {
                    None => *kept = Some(rows.to_owned()),
                    Some(kept) => kept.append(ndarray::Axis(0), rows).map_err(Error::other)?,
                }
            }
        }
        Ok(())
    }
}

/// A tap that also wants some values of the graph, beside what it wants anyway.
pub struct Watching<'a> {
    tap: &'a mut dyn Tap,
    values: &'a [&'a str],
}

impl<'a> Watching<'a> {
    /// `tap`, and the values of these names.
    pub fn new(tap: &'a mut dyn Tap, values: &'a [&'a str]) -> Self {
        Watching { tap, values }
    }
}

impl Tap for Watching<'_> {
    fn wants(&self, place: Place<'_>) -> bool {
        let watched = matches!(place, Place::Value(name) if self.values.contains(&name));
        watched || self.tap.wants(place)
    }

    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        self.tap.observe(place, rows)
    }
}

/// Two taps on the same pass.
impl<A: Tap, B: Tap> Tap for (A, B) {
    fn wants(&self, place: Place<'_>) -> bool {
        self.0.wants(place) || self.1.wants(place)
    }

    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        if self.0.wants(place) {
            self.0.observe(place, rows)?;
        }
        if self.1.wants(place) {
            self.1.observe(place, rows)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
