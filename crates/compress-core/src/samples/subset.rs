//! Some of the samples.

use ndarray::ArrayViewMut2;

use super::{FeatureMajor, FeatureRow, Samples, check_indices};
use crate::{Error, Result};

/// Some of the samples of others, in an order of one's own. A position in the subset is not that in
/// the whole: a teacher's cached logits are those of the subset.
///
/// # Examples
///
/// A transfer set without threes: what the student knows of them in the end, the teacher told it.
///
/// ```
/// use compress_core::samples::{ArraySamples, Samples, Subset};
/// use ndarray::array;
///
/// let all = ArraySamples::new(array![[0.0], [1.0], [2.0]], vec![3, 7, 8])?;
/// let without = Subset::without_classes(&all, &[3])?;
/// assert_eq!(without.labels(), [7, 8]);
/// let of_one = Subset::of_classes(&all, &[3])?;
/// assert_eq!((of_one.len(), of_one.indices()), (1, &[0][..]));
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Hinton, Vinyals, Dean 2015 (1503.02531), section 3: transfer sets without the digit 3, and of 7
/// and 8 alone.
#[derive(Clone)]
pub struct Subset<'a> {
    samples: &'a dyn Samples,
    indices: Vec<usize>,
    labels: Vec<u32>,
}

impl<'a> Subset<'a> {
    /// The samples `indices`; one may occur several times.
    ///
    /// # Errors
    /// Where there is none, or one does not exist.
    pub fn new(samples: &'a dyn Samples, indices: Vec<usize>) -> Result<Self> {
        if indices.is_empty() {
            let what = "the subset".into();
            return Err(Error::Empty { what });
        }
        check_indices(&indices, samples.len())?;
        let all = check_all_or_none(samples)?;
        let label = |&index: &usize| all.get(index).copied();
        Ok(Subset {
            labels: indices.iter().filter_map(label).collect(),
            samples,
            indices,
        })
    }

    /// Those that `wanted` says of a sample's position.
    ///
    /// # Errors
    /// Where there is none.
    pub fn filter(samples: &'a dyn Samples, wanted: impl FnMut(&usize) -> bool) -> Result<Self> {
        Self::new(samples, (0..samples.len()).filter(wanted).collect())
    }

    /// Those whose label is among `classes`.
    ///
    /// # Errors
    /// Where samples have no labels, or none is of these classes.
    pub fn of_classes(samples: &'a dyn Samples, classes: &[u32]) -> Result<Self> {
        Self::by_label(samples, |label| classes.contains(&label))
    }

    /// Those whose label is not among `classes`.
    ///
    /// # Errors
    /// Where samples have no labels, or all are of these classes.
    pub fn without_classes(samples: &'a dyn Samples, classes: &[u32]) -> Result<Self> {
        Self::by_label(samples, |label| !classes.contains(&label))
    }

    fn by_label(samples: &'a dyn Samples, wanted: impl Fn(u32) -> bool) -> Result<Self> {
        let labels = samples.labels();
        Error::check_shape("labels to choose by", &[samples.len()], &[labels.len()])?;
        Self::filter(samples, |&index| wanted(labels[index]))
    }

    /// The positions in the whole.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Positions in the whole of positions in the subset.
    fn of_whole(&self, indices: &[usize]) -> Result<Vec<usize>> {
        check_indices(indices, self.indices.len())?;
        Ok(indices.iter().map(|&index| self.indices[index]).collect())
    }
}

/// The labels, of which there must be one for each sample or none at all.
fn check_all_or_none(samples: &dyn Samples) -> Result<&[u32]> {
    let labels = samples.labels();
    if !labels.is_empty() {
        Error::check_shape("labels", &[samples.len()], &[labels.len()])?;
    }
    Ok(labels)
}

impl Samples for Subset<'_> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn features(&self) -> usize {
        self.samples.features()
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn fill(&self, epoch: u64, indices: &[usize], out: ArrayViewMut2<'_, f32>) -> Result<()> {
        self.samples.fill(epoch, &self.of_whole(indices)?, out)
    }

    fn differs_by_epoch(&self) -> bool {
        self.samples.differs_by_epoch()
    }

    fn by_feature(&self) -> Option<&dyn FeatureMajor> {
        self.samples.by_feature().map(|_| self as &dyn FeatureMajor)
    }
}

impl FeatureMajor for Subset<'_> {
    fn fill_by_feature(
        &self,
        epoch: u64,
        indices: &[usize],
        wanted: &[FeatureRow],
        out: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let absent = || Error::invalid("reading by feature", "asked for", "offered by the whole");
        let whole = self.samples.by_feature().ok_or_else(absent)?;
        whole.fill_by_feature(epoch, &self.of_whole(indices)?, wanted, out)
    }
}
