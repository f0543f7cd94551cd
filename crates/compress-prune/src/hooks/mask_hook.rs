//! A fixed mask.

use compress_core::Result;
use compress_core::mask::Mask;
use compress_core::network::Network;
use compress_core::structured::{from_bytes, to_bytes};
use compress_core::train::{Step, TrainHook};

use super::masking::{self, LiveWeights};

/// Holds pruned weights at zero while the others are fine-tuned. Their gradients are zeroed after
/// each backward pass, so that they affect nothing, not even a norm that gradients are clipped by.
/// Their values are zeroed after each step, since momentum or weight decay may move a weight whose
/// gradient is zero.
///
/// A training loop that leaves dead weights alone ([`Step::live_only`]) is told the mask once
/// instead. The mask then stays on the network after the run, until
/// [`compress_core::network::Parameter::set_live`] takes it off.
///
/// # Errors
/// Every call fails, before anything is changed, where a tensor of the mask is unknown to the
/// network or has another shape.
///
/// # Examples
/// ```
/// use compress_core::mask::{Criterion, Structure};
/// use compress_core::train::{Fit};
/// use compress_prune::{Global, Magnitude, MaskHook};
///
/// // Any `Fit`: a network and the way to train it.
/// let mut trainer = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 1));
/// let data = compress_testing::blobs(64, 4, 3, 2);
///
/// let mask = Global::default().mask(&Magnitude.scores(trainer.network())?, 0.25)?;
/// let mut hook = MaskHook::new(mask);
/// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut hook])?;
/// let now = compress_core::mask::Mask::of_nonzeros(trainer.network());
/// assert_eq!((now.kept(), now.total()), (14, 56));
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MaskHook {
    mask: Mask,
    live: LiveWeights,
    applied: bool,
}

impl MaskHook {
    /// Makes a hook that holds `mask`.
    pub fn new(mask: Mask) -> Self {
        MaskHook {
            mask,
            live: LiveWeights::new(),
            applied: false,
        }
    }

    /// The mask.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }
}

impl TrainHook for MaskHook {
    /// Applies the mask before the very first pass, if the network was not masked yet.
    fn before_forward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        if !self.applied {
            masking::zero_values(&self.mask, &mut self.live, network, step)?;
            self.applied = true;
        }
        Ok(())
    }

    fn after_backward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        masking::zero_gradients(&self.mask, network, step)
    }

    fn after_step(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        masking::zero_values(&self.mask, &mut self.live, network, step)
    }

    fn save(&self) -> Result<Vec<u8>> {
        to_bytes(&self.mask)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let mask = masking::complete("mask_hook", from_bytes(state), state.len())?;
        masking::check_mask("mask_hook", &mask)?;
        *self = MaskHook::new(mask);
        Ok(())
    }
}
