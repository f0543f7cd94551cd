//! A snapshot of a model that is being trained.

use compress_core::Result;
use compress_core::gradients::LiveSets;
use compress_core::hook::{TrainHook, Training};
use compress_core::parameters::Parameters;
use compress_core::structured::{from_all_bytes, to_bytes};

use super::saved::damaged;
use crate::{Error, Snapshot};

/// Takes a [`Snapshot`] before a step, and changes nothing: what late rewinding goes back to. Put it
/// before hooks that swap other values in, such as fake quantization.
///
/// It takes one snapshot, and keeps it in later runs.
///
/// # Errors
/// A run fails at its end where it has not come to that step.
///
/// # Examples
/// ```
/// use compress_core::train::Fit;
/// use compress_prune::{Mask, SnapshotHook};
///
/// // Any `Fit`: a model and the way to train it.
/// let mut trainer = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 1));
/// let data = compress_testing::blobs(64, 4, 3, 2);
///
/// let mut early = SnapshotHook::before_step(2);
/// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut early])?;
/// let snapshot = early.snapshot().expect("taken");
/// snapshot.rewind(&mut trainer.network, &Mask::default())?;
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Frankle, Dziugaite, Roy, Carbin 2020 (1912.05671), section 2: the state at step k.
#[derive(Clone, Debug)]
pub struct SnapshotHook {
    step: usize,
    taken: Option<Snapshot>,
}

impl SnapshotHook {
    /// Makes a hook that takes the values of all tensors when so many steps are done. 0: those at the
    /// beginning.
    pub fn before_step(step: usize) -> Self {
        SnapshotHook { step, taken: None }
    }

    /// The snapshot, once it is taken.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.taken.as_ref()
    }
}

impl TrainHook for SnapshotHook {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        if self.taken.is_none() && training.step.step == self.step {
            self.taken = Some(Snapshot::of(training.model)?);
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::NoSnapshot`] where the run ended before the snapshot was taken.
    fn finish(
        &mut self,
        _: &mut dyn Parameters,
        _: &LiveSets,
        steps: usize,
        _: usize,
    ) -> Result<()> {
        match self.taken {
            Some(_) => Ok(()),
            None => {
                let wanted = self.step;
                Err(Error::NoSnapshot { wanted, steps }.into())
            }
        }
    }

    fn save(&self) -> Result<Vec<u8>> {
        to_bytes(&self.taken)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.taken = from_all_bytes(state).map_err(damaged("snapshot_hook"))?;
        Ok(())
    }
}
