//! What several of the tests use.

use compress_core::Result;
use compress_core::hook::{Pruned, TrainHook, Training};
use compress_core::mask::{Mask, TensorMask};
use compress_core::network::{Edit, Role};
use compress_core::parameters::Parameters;
use compress_core::tensor::volume;
use compress_nn::Mlp;

/// All values, in order.
pub(crate) fn values(model: &dyn Parameters) -> Vec<f32> {
    let mut all = Vec::new();
    let mut take = |tensor: compress_core::tensor::TensorRef<'_>| {
        all.extend_from_slice(tensor.values);
        Ok(())
    };
    model.visit(&mut take).unwrap();
    all
}

/// The bits of all values, in order.
pub(crate) fn bits(model: &dyn Parameters) -> Vec<u32> {
    values(model).into_iter().map(f32::to_bits).collect()
}

/// Keeps the marked features of the group `name`.
pub(crate) fn keep(network: &mut Mlp, name: &str, marks: &[bool]) -> Result<()> {
    let group = network.graph().group(name)?;
    network.keep(&group, marks)
}

/// A mask that keeps of each weight, counted from 0, the positions that `live` says.
pub(crate) fn mask(model: &dyn Parameters, mut live: impl FnMut(usize, usize) -> bool) -> Mask {
    let mut mask = Mask::default();
    model
        .visit(&mut |tensor| {
            if tensor.role == Role::Weight {
                let weight = mask.tensors.len();
                mask.tensors.push(TensorMask {
                    name: tensor.name.to_owned(),
                    shape: tensor.shape.to_vec(),
                    keep: (0..volume(tensor.shape)).map(|i| live(weight, i)).collect(),
                });
            }
            Ok(())
        })
        .unwrap();
    mask
}

/// Holds a mask over a whole run.
pub(crate) struct Held(pub(crate) Mask);

impl TrainHook for Held {
    fn pruned(&self) -> Option<Pruned<'_>> {
        Some(Pruned {
            mask: &self.0,
            revision: 0,
        })
    }
}

/// Copies the gradients of each step.
#[derive(Default)]
pub(crate) struct Record(pub(crate) Vec<Vec<Vec<f32>>>);

impl TrainHook for Record {
    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let mut gradients = Vec::new();
        training.model.visit_gradients(&mut |gradient| {
            gradients.push(gradient.values.to_vec());
            Ok(())
        })?;
        self.0.push(gradients);
        Ok(())
    }
}
