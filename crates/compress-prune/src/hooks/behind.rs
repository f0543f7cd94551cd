//! Pruned weights that go on to learn behind the mask.

use compress_core::mask::Mask;
use compress_core::ops::vector::zero_where;
use compress_core::parameters::Parameters;
use compress_core::{Error, Result};

/// The weights as they would be without the mask: one vector for each tensor of the mask. Empty
/// before the first pruning.
pub(super) type Shadow = Vec<Vec<f32>>;

/// Moves masked values into `shadow` and leaves zeros.
pub(super) fn stash(mask: &Mask, model: &mut dyn Parameters, shadow: &mut Shadow) -> Result<()> {
    mask.check(model)?;
    shadow.resize(mask.tensors.len(), Vec::new());
    model.visit_mut(&mut |tensor| {
        let position = mask.tensors.iter().position(|t| t.name == tensor.name);
        let Some(position) = position else {
            return Ok(());
        };
        shadow[position].clear();
        shadow[position].extend_from_slice(tensor.values);
        zero_where(tensor.values, &mask.tensors[position].keep)
    })
}

/// Puts back the values that [`stash`] took.
///
/// # Errors
/// Before anything is changed: where the shadow is not of this mask.
pub(super) fn restore(mask: &Mask, model: &mut dyn Parameters, shadow: &Shadow) -> Result<()> {
    mask.check(model)?;
    Error::check_shape("stashed tensors", &[mask.tensors.len()], &[shadow.len()])?;
    for (tensor, shadow) in mask.tensors.iter().zip(shadow) {
        Error::check_shape(&tensor.name, &[tensor.keep.len()], &[shadow.len()])?;
    }
    model.visit_mut(&mut |tensor| {
        let found = mask
            .tensors
            .iter()
            .zip(shadow)
            .find(|(t, _)| t.name == tensor.name);
        if let Some((mask, shadow)) = found {
            for ((value, &keep), &stashed) in tensor.values.iter_mut().zip(&mask.keep).zip(shadow) {
                *value = if keep { *value } else { stashed };
            }
        }
        Ok(())
    })
}
