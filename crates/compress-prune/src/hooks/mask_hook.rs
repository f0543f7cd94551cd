//! A fixed mask.

use compress_core::Result;
use compress_core::hook::{Pruned, TrainHook};
use compress_core::mask::Mask;
use compress_core::structured::{from_all_bytes, to_bytes};

use super::saved::{check_mask, damaged};

/// Holds pruned weights at zero while the others are fine-tuned: their values, and their gradients,
/// so that they affect nothing, not even a norm that gradients are clipped by.
///
/// # Errors
/// The run fails, before anything is changed, where a tensor of the mask is unknown to the model or
/// has another shape.
///
/// # Examples
/// ```
/// use compress_core::evidence::Known;
/// use compress_core::mask::{Mask, Structure, score};
/// use compress_core::train::Fit;
/// use compress_prune::{Global, Magnitude, MaskHook};
///
/// // Any `Fit`: a model and the way to train it.
/// let mut trainer = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 1));
/// let data = compress_testing::blobs(64, 4, 3, 2);
///
/// let scores = score(&trainer.network, &Magnitude, &Known::nothing())?;
/// let mut hook = MaskHook::new(Global::default().mask(&scores, 0.25)?);
/// trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut hook])?;
/// let now = Mask::of_nonzeros(&trainer.network)?;
/// assert_eq!((now.kept(), now.total()), (14, 56));
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MaskHook {
    mask: Mask,
}

impl MaskHook {
    /// Makes a hook that holds `mask`.
    pub fn new(mask: Mask) -> Self {
        MaskHook { mask }
    }

    /// The mask.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }
}

impl TrainHook for MaskHook {
    fn pruned(&self) -> Option<Pruned<'_>> {
        Some(Pruned {
            mask: &self.mask,
            revision: 0,
        })
    }

    fn save(&self) -> Result<Vec<u8>> {
        to_bytes(&self.mask)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        const NAME: &str = "mask_hook";
        let mask = from_all_bytes(state).map_err(damaged(NAME))?;
        check_mask(NAME, &mask)?;
        self.mask = mask;
        Ok(())
    }
}
