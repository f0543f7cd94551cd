//! Checkpoints: a training run on disk, with all that it needs to continue to the same bits.

use std::path::Path;
use std::sync::Arc;

use compress_core::kernels::sparse_layer::Live;
use compress_core::network::{Network, Parameter};
use compress_core::train::{Samples, TrainHook};
use compress_core::{file, structured};
use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::{Error, Result, Settings, Trainer};

/// The first bytes of a file; the last of them is the version of the format.
const MAGIC: &[u8; 8] = b"CMPTRN\0\x05";

/// The state of a run between two epochs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    settings: Settings,
    /// The chain of layers, as text: it is only compared.
    architecture: String,
    samples: usize,
    /// The values of each parameter.
    parameters: Vec<Vec<f32>>,
    /// The positions of the live weights of each pruned parameter.
    live: Vec<Option<Vec<u32>>>,
    state: State,
    /// What each hook saved.
    hooks: Vec<Vec<u8>>,
}

impl Checkpoint {
    pub(crate) fn take(
        trainer: &Trainer<'_>,
        data: &dyn Samples,
        hooks: &[&mut dyn TrainHook],
        state: &State,
    ) -> Result<Self> {
        let values = trainer.network.all().iter().map(|p| p.values().to_vec());
        Ok(Checkpoint {
            settings: trainer.settings.clone(),
            architecture: description(trainer),
            samples: data.len(),
            parameters: values.collect(),
            live: trainer.network.all().iter().map(live_positions).collect(),
            state: state.clone(),
            hooks: hooks
                .iter()
                .map(|h| h.save())
                .collect::<compress_core::Result<_>>()?,
        })
    }

    /// Writes it beside `path`, then renames it, so that `path` never holds half of it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let payload = structured::to_bytes(self)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(checksum(&payload).to_le_bytes());
        bytes.extend(payload);
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
    ) -> Result<State> {
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
        let parameters = trainer.network.all_mut();
        let lengths = parameters.iter().map(|p| p.values().len());
        let same_lengths = lengths.eq(self.parameters.iter().map(Vec::len));
        if !same_lengths
            || self.live.len() != parameters.len()
            || !self
                .state
                .optimizer
                .fits(self.settings.optimizer, parameters)
        {
            return Err(Error::checkpoint(path, "its tensors have other lengths"));
        }
        let live = parameters.iter().zip(&self.live);
        let live = live.map(|(parameter, positions)| {
            let positions = positions.as_ref();
            positions
                .map(|positions| live_at(parameter, positions))
                .transpose()
        });
        let live = live.collect::<compress_core::Result<Vec<_>>>();
        let live = live.map_err(|error| Error::checkpoint(path, error.to_string()))?;
        for (hook, saved) in hooks.iter_mut().zip(&self.hooks) {
            let loaded = hook.load(saved);
            loaded
                .map_err(|error| Error::checkpoint(path, format!("a hook refuses it: {error}")))?;
        }
        for ((parameter, values), live) in parameters.iter_mut().zip(&self.parameters).zip(live) {
            parameter.values_mut().copy_from_slice(values);
            parameter.set_live(live)?;
        }
        Ok(self.state)
    }
}

fn description(trainer: &Trainer<'_>) -> String {
    format!("{:?}", trainer.network.architecture())
}

fn live_positions(parameter: &Parameter) -> Option<Vec<u32>> {
    let live = parameter.live()?;
    Some(live.positions().map(|position| position as u32).collect())
}

/// The live weights of `parameter` at `positions`.
fn live_at(parameter: &Parameter, positions: &[u32]) -> compress_core::Result<Arc<Live>> {
    let (n, k) = parameter.matrix().dim();
    let mut marks = vec![false; n * k];
    for &position in positions {
        match marks.get_mut(position as usize) {
            Some(mark) => *mark = true,
            None => {
                let what = format!("a live position of {}", parameter.name());
                let expected = format!("below {}", n * k);
                return Err(compress_core::Error::invalid(what, position, expected));
            }
        }
    }
    Ok(Arc::new(Live::new(n, k, &marks)?))
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
