//! How far the values of a pruned model are from those of the original.

use compress_core::observe::{Observe, Place, Tap, compare};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{Array2, ArrayView2};

/// The relative squared error of a value of the model's graph (such as its output) on calibration
/// data: Σ(y − ŷ)² / Σy² over all rows and features, y of `original` and ŷ of `pruned`. 0 where nothing
/// has changed, 1 where the pruned value is zero everywhere. It needs no labels.
///
/// Both models must run on the same data. [`Recorded`] stands for an original that is about to be
/// changed.
///
/// # Errors
/// Those of [`compare`]; where the value of the original is zero everywhere.
///
/// # Examples
/// ```
/// use compress_core::observe::OnSamples;
/// use compress_prune::relative_error;
///
/// let original = compress_testing::Chain::random(&[4, 8, 3], 1);
/// let mut pruned = original.clone();
/// compress_prune::prune_weights(pruned.parameters[0].values_mut(), 0.3);
/// let data = compress_testing::blobs(64, 4, 3, 1);
/// let [original, pruned] = [&original, &pruned].map(|model| OnSamples::new(model, &data));
/// let error = relative_error(&original, &pruned, "layers.1")?;
/// assert!(error > 0.0 && error < 1.0);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn relative_error(
    original: &dyn Observe,
    pruned: &dyn Observe,
    value: &str,
) -> CoreResult<f64> {
    let (mut difference, mut size) = (0.0, 0.0);
    compare(
        original,
        pruned,
        &[Place::Value(value)],
        &mut |_, first, second| {
            for (&y, &pruned) in first.iter().zip(second) {
                let (y, pruned) = (f64::from(y), f64::from(pruned));
                difference += (y - pruned) * (y - pruned);
                size += y * y;
            }
            Ok(())
        },
    )?;
    if size == 0.0 {
        let what = format!("the sum of squares of {value} in the original model");
        return Err(CoreError::invalid(what, size, "above zero"));
    }
    Ok(difference / size)
}

/// A value of a model's graph on all its calibration data, kept in memory: what [`relative_error`]
/// compares with after the model has changed. It shows its rows as the model did.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    value: String,
    /// For each batch what was shown, piece by piece.
    batches: Vec<Vec<Array2<f32>>>,
}

impl Recorded {
    /// Runs all calibration data and keeps the value of this name, in 4 bytes for each row and
    /// feature.
    ///
    /// # Errors
    /// Where there is no data, or the model does not show the value; those of the model.
    pub fn of(model: &dyn Observe, value: &str) -> CoreResult<Self> {
        let mut batches = Vec::with_capacity(model.batches());
        for batch in 0..model.batches() {
            let mut pieces = Pieces {
                value,
                rows: Vec::new(),
            };
            model.observe_batch(batch, &mut pieces)?;
            if pieces.rows.is_empty() {
                let place = Place::Value(value).to_string();
                return Err(CoreError::Unseen { place });
            }
            batches.push(pieces.rows);
        }
        if batches.is_empty() {
            let what = "the calibration data".into();
            return Err(CoreError::Empty { what });
        }
        let value = value.to_owned();
        Ok(Recorded { value, batches })
    }
}

impl Observe for Recorded {
    fn batches(&self) -> usize {
        self.batches.len()
    }

    fn observe_batch(&self, batch: usize, tap: &mut dyn Tap) -> CoreResult<()> {
        let place = Place::Value(&self.value);
        let pieces = self.batches.get(batch).map_or(&[][..], Vec::as_slice);
        match tap.wants(place) {
            true => pieces
                .iter()
                .try_for_each(|rows| tap.observe(place, rows.view())),
            false => Ok(()),
        }
    }
}

/// Keeps what it is shown of one value.
struct Pieces<'a> {
    value: &'a str,
    rows: Vec<Array2<f32>>,
}

impl Tap for Pieces<'_> {
    fn wants(&self, place: Place<'_>) -> bool {
        place == Place::Value(self.value)
    }

    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> CoreResult<()> {
        if self.wants(place) {
            self.rows.push(rows.to_owned());
        }
        Ok(())
    }
}
