//! Samples without their labels.

use ndarray::ArrayViewMut2;

use super::{FeatureMajor, Samples};
use crate::Result;

/// The same samples, without their labels. A teacher alone says what they are; a loss on labels
/// fails.
///
/// # References
/// Bucilă, Caruana, Niculescu-Mizil 2006, *Model compression*: a student learns from unlabelled
/// samples that its teacher labels. Hinton, Vinyals, Dean 2015 (1503.02531), section 1: the transfer
/// set "could consist entirely of unlabeled data".
#[derive(Clone, Copy)]
pub struct Unlabeled<'a>(pub &'a dyn Samples);

impl Samples for Unlabeled<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn features(&self) -> usize {
        self.0.features()
    }

    fn labels(&self) -> &[u32] {
        &[]
    }

    fn fill(&self, epoch: u64, indices: &[usize], out: ArrayViewMut2<'_, f32>) -> Result<()> {
        self.0.fill(epoch, indices, out)
    }

    fn differs_by_epoch(&self) -> bool {
        self.0.differs_by_epoch()
    }

    fn by_feature(&self) -> Option<&dyn FeatureMajor> {
        self.0.by_feature()
    }
}
