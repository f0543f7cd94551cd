//! What the tests of training hooks share.

use compress_core::Result;
use compress_core::hook::{Pruned, Run, TrainHook};
use compress_core::mask::Mask;
use compress_testing::Chain;

/// A mask that is held for a whole run.
pub(crate) struct Masked(pub(crate) Mask);

impl TrainHook for Masked {
    fn pruned(&self) -> Option<Pruned<'_>> {
        Some(Pruned {
            mask: &self.0,
            revision: 0,
        })
    }
}

/// One step that changes no weight. `gradients` sees the network as the forward pass does.
pub(crate) fn step_once(
    hook: &mut dyn TrainHook,
    network: &mut Chain,
    gradients: impl FnOnce(&mut Chain) -> Result<()>,
) -> Result<()> {
    let mut hooks = [hook];
    let mut run = Run::new(&mut hooks, 1);
    run.step(
        network,
        0.01,
        |network, _| gradients(network),
        |_, _| Ok(()),
    )
}

/// The bits of all values, so that NaN equals itself and −0 is not 0.
pub(crate) fn bits(network: &Chain) -> Vec<Vec<u32>> {
    let of = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
    network.values().into_iter().map(of).collect()
}
