//! Checkpoints: a training run on disk, with all that it needs to continue to the same bits.

use std::path::Path;

use compress_core::network::Network;
use compress_core::train::{Run, Samples, TrainHook};
use compress_core::{file, structured};
use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::{Error, Result, Settings, Trainer};

/// The first bytes of a file; the last of them is the version of the format.
const MAGIC: &[u8; 8] = b"CMPTRN\0\x06";

/// The state of a run between two epochs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    settings: Settings,
    /// The chain of layers, as text: it is only compared.
    architecture: String,
    samples: usize,
    /// The values of each parameter.
    parameters: Vec<Vec<f32>>,
    /// Steps done.
    step: usize,
    state: State,
    /// What each hook saved.
    hooks: Vec<Vec<u8>>,
}

impl Checkpoint {
    pub(crate) fn take(
        trainer: &Trainer<'_>,
        data: &dyn Samples,
        run: &Run<'_, '_>,
        state: &State,
    ) -> Result<Self> {
        let parameters = trainer.network.parameters().into_iter();
        let values = parameters.map(|p| p.values().to_vec());
        Ok(Checkpoint {
            settings: trainer.settings.clone(),
            architecture: description(trainer),
            samples: data.len(),
            parameters: values.collect(),
            step: run.done(),
            state: state.clone(),
            hooks: run.save()?,
        })
    }

    /// Writes it beside `path`, then renames it, so that `path` never holds half of it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let bytes = sealed(&structured::to_bytes(self)?);
        file::write(path, &bytes)?;
        tracing::debug!(path = %path.display(), bytes = bytes.len(), "checkpoint written");
        Ok(())
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = file::read(path)?;
        let fault = |reason: &str| Error::checkpoint(path, reason);
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| fault("it is not a checkpoint of this version"))?;
        let Some((sum, payload)) = rest.split_first_chunk::<8>() else {
            return Err(fault("it is cut off"));
        };
        if u64::from_le_bytes(*sum) != checksum(payload) {
            return Err(fault("it is cut off or damaged: the checksum differs"));
        }
        let (checkpoint, _) = structured::from_bytes(payload)
            .map_err(|error| Error::checkpoint(path, error.to_string()))?;
        Ok(checkpoint)
    }

    /// Puts the run back into `trainer` and `hooks`. Leaves the network unchanged where the
    /// checkpoint belongs to another run or a hook refuses it.
    pub(crate) fn restore(
        self,
        path: &Path,
        trainer: &mut Trainer<'_>,
        data: &dyn Samples,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<(State, usize)> {
        let differs = |what: &str| Error::checkpoint(path, format!("it is of a run with {what}"));
        if self.settings != trainer.settings {
            return Err(differs("other settings"));
        }
        if self.architecture != description(trainer) {
            return Err(differs("another architecture"));
        }
        if self.samples != data.len() {
            return Err(differs("another number of samples"));
        }
        if self.hooks.len() != hooks.len() {
            return Err(differs("another number of hooks"));
        }
        let network = &mut trainer.network;
        let parameters = network.parameters().into_iter();
        let lengths = parameters.map(|p| p.values().len());
        let same_lengths = lengths.eq(self.parameters.iter().map(Vec::len));
        let optimizer = self.settings.optimizer;
        if !same_lengths || !self.state.optimizer.fits(optimizer, network.pairs()) {
            return Err(Error::checkpoint(path, "its tensors have other lengths"));
        }
        for (hook, saved) in hooks.iter_mut().zip(&self.hooks) {
            let loaded = hook.load(saved);
            loaded
                .map_err(|error| Error::checkpoint(path, format!("a hook refuses it: {error}")))?;
        }
        let parameters = network.parameters_mut().into_iter();
        for (parameter, values) in parameters.zip(&self.parameters) {
            parameter.values_mut().copy_from_slice(values);
        }
        Ok((self.state, self.step))
    }
}

fn description(trainer: &Trainer<'_>) -> String {
    format!("{:?}", trainer.network.architecture())
}

/// A file of this content: the beginning and the checksum before it. A fuzzer reaches what lies behind
/// them by it.
#[doc(hidden)]
pub fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(checksum(content).to_le_bytes());
    bytes.extend(content);
    bytes
}

/// FNV-1a over words of 8 bytes, the last one filled up with zeros, then the length.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(PRIME).rotate_left(23);
    let hash = bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(word))
    });
    mix(hash, bytes.len() as u64)
}
