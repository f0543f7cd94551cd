//! Where the features of a teacher come from.

use compress_core::observe::{OnSamples, Place, Tap, Tapped, observe};
use compress_core::train::{Batch, Samples, check_indices};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{Array2, ArrayView2, Axis};

use crate::Result;
use crate::logits::check_cacheable;

/// A teacher that shows what a layer gives, or what it gave.
#[derive(Clone)]
pub enum FeatureTeacher<'a> {
    /// Features `[samples, features]` computed beforehand ([`teacher_features`]), found by each
    /// sample's position in the data. Only right for samples that are the same in each epoch.
    Cached(Array2<f32>),
    /// The teacher itself, which sees each batch as the student does; and the name of the value of
    /// its graph, such as `layers.0`. It must read the same features as the student.
    OnTheFly(&'a (dyn Tapped + Sync), &'a str),
}

impl FeatureTeacher<'_> {
    /// What the teacher gives for the samples of `batch`.
    pub(super) fn features(&self, batch: &Batch<'_>) -> CoreResult<Array2<f32>> {
        match self {
            FeatureTeacher::Cached(features) => {
                check_indices(batch.indices, features.nrows())?;
                Ok(features.select(Axis(0), batch.indices))
            }
            FeatureTeacher::OnTheFly(model, value) => {
                let mut keep = Keep::new(value);
                model.run_tapped(batch.inputs, &mut keep)?;
                keep.finish()
            }
        }
    }
}

/// What the teacher gives at the value of its graph of this name, for all samples:
/// `[samples, features]`, for [`FeatureTeacher::Cached`].
///
/// # Errors
/// Where the samples differ from one epoch to another, or there are none; where the teacher does not
/// show that value; and those of the teacher and the samples.
///
/// # Examples
/// ```
/// use compress_distill::features::teacher_features;
///
/// let teacher = compress_testing::Chain::random(&[4, 8, 3], 1);
/// let samples = compress_testing::blobs(5, 4, 3, 2);
/// let features = teacher_features(&teacher, "layers.0", &samples)?;
/// assert_eq!(features.shape(), [5, 8]);
/// # Ok::<(), compress_distill::Error>(())
/// ```
pub fn teacher_features(
    teacher: &dyn Tapped,
    value: &str,
    samples: &dyn Samples,
) -> Result<Array2<f32>> {
    check_cacheable(samples)?;
    let mut keep = Keep::new(value);
    observe(&OnSamples::new(teacher, samples), &mut keep)?;
    Ok(keep.finish()?)
}

/// Keeps the rows of one value.
struct Keep<'a> {
    place: Place<'a>,
    rows: Option<Array2<f32>>,
}

impl<'a> Keep<'a> {
    fn new(value: &'a str) -> Self {
        let place = Place::Value(value);
        Keep { place, rows: None }
    }

    fn finish(self) -> CoreResult<Array2<f32>> {
        let place = self.place;
        self.rows.ok_or_else(|| CoreError::Unseen {
            place: format!("{place} of the teacher"),
        })
    }
}

impl Tap for Keep<'_> {
    fn wants(&self, place: Place<'_>) -> bool {
        place == self.place
    }

    fn observe(&mut self, _: Place<'_>, rows: ArrayView2<'_, f32>) -> CoreResult<()> {
        match &mut self.rows {
            None => self.rows = Some(rows.to_owned()),
            Some(kept) => kept.append(Axis(0), rows).map_err(CoreError::other)?,
        }
        Ok(())
    }
}
