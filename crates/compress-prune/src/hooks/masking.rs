//! Applies a mask to a network during training. This happens on every step, so nothing is allocated
//! beyond the network's own list of parameters.

use std::sync::Arc;

use compress_core::kernels::sparse_layer::Live;
use compress_core::mask::{Mask, TensorMask};
use compress_core::network::{Network, Parameter, Role};
use compress_core::ops::vector::zero_where;
use compress_core::train::Step;
use compress_core::{Error as CoreError, Result as CoreResult};

use crate::Error;

/// A mask in the form that a training loop takes, one entry for each of its tensors. Empty before
/// it is needed and after the mask has changed.
pub(super) type LiveWeights = Vec<Option<Arc<Live>>>;

/// Sets masked values to zero, or tells the loop to keep them at zero.
pub(super) fn zero_values(
    mask: &Mask,
    live: &mut LiveWeights,
    network: &mut dyn Network,
    step: &Step,
) -> CoreResult<()> {
    live.resize(mask.tensors.len(), None);
    each(mask, network, |i, parameter, keep| {
        if !left_to_loop(parameter, step) {
            return zero_where(parameter.values_mut(), keep);
        }
        let live = match &live[i] {
            Some(live) => live,
            None => {
                let [n, k] = [parameter.shape()[0], parameter.shape()[1]];
                live[i].insert(Arc::new(Live::new(n, k, keep)?))
            }
        };
        match parameter.live() {
            Some(set) if Arc::ptr_eq(set, live) => Ok(()),
            _ => parameter.set_live(Some(live.clone())),
        }
    })
}

/// Sets masked gradients to zero, where the loop does not.
pub(super) fn zero_gradients(
    mask: &Mask,
    network: &mut dyn Network,
    step: &Step,
) -> CoreResult<()> {
    each(mask, network, |_, parameter, keep| {
        if left_to_loop(parameter, step) && parameter.live().is_some() {
            return Ok(());
        }
        zero_where(parameter.gradient_mut(), keep)
    })
}

/// Whether the loop keeps dead weights at zero by itself.
fn left_to_loop(parameter: &Parameter, step: &Step) -> bool {
    step.live_only && parameter.role() == Role::Weight
}

/// Makes every masked weight live again.
pub(super) fn revive(mask: &Mask, network: &mut dyn Network) -> CoreResult<()> {
    each(mask, network, |_, parameter, _| parameter.set_live(None))
}

/// Moves masked values into `shadow`, one vector for each tensor of the mask, and leaves zeros.
pub(super) fn stash(
    mask: &Mask,
    network: &mut dyn Network,
    shadow: &mut Vec<Vec<f32>>,
) -> CoreResult<()> {
    shadow.resize(mask.tensors.len(), Vec::new());
    each(mask, network, |i, parameter, keep| {
        let values = parameter.values_mut();
        shadow[i].clear();
        shadow[i].extend_from_slice(values);
        zero_where(values, keep)
    })
}

/// Puts back the values that [`stash`] took.
///
/// # Errors
/// Before anything is changed: where the shadow is not of this mask.
pub(super) fn restore(
    mask: &Mask,
    network: &mut dyn Network,
    shadow: &[Vec<f32>],
) -> CoreResult<()> {
    CoreError::check_shape("stashed tensors", &[mask.tensors.len()], &[shadow.len()])?;
    for (tensor, shadow) in mask.tensors.iter().zip(shadow) {
        CoreError::check_shape(&tensor.name, &[tensor.keep.len()], &[shadow.len()])?;
    }
    each(mask, network, |i, parameter, keep| {
        let values = parameter.values_mut().iter_mut();
        for ((value, &keep), &stashed) in values.zip(keep).zip(&shadow[i]) {
            *value = if keep { *value } else { stashed };
        }
        Ok(())
    })
}

/// Calls `edit` with each tensor of the mask: its position in the mask, the parameter, and which
/// of its values stay.
///
/// # Errors
/// Before anything is changed: where a tensor is unknown to the network or its shape differs.
fn each(
    mask: &Mask,
    network: &mut dyn Network,
    mut edit: impl FnMut(usize, &mut Parameter, &[bool]) -> CoreResult<()>,
) -> CoreResult<()> {
    let mut parameters = network.parameters_mut();
    for tensor in &mask.tensors {
        match parameters.iter().find(|p| p.name() == tensor.name) {
            Some(parameter) => check_fits(tensor, parameter)?,
            None => return Err(unknown(tensor, &parameters)),
        }
    }
    for (i, tensor) in mask.tensors.iter().enumerate() {
        if let Some(parameter) = parameters.iter_mut().find(|p| p.name() == tensor.name) {
            edit(i, parameter, &tensor.keep)?;
        }
    }
    Ok(())
}

fn check_fits(tensor: &TensorMask, parameter: &Parameter) -> CoreResult<()> {
    let (values, keep) = (parameter.values().len(), tensor.keep.len());
    CoreError::check_shape(&tensor.name, &tensor.shape, parameter.shape())?;
    CoreError::check_shape(&tensor.name, &[values], &[keep])
}

fn unknown(tensor: &TensorMask, parameters: &[&mut Parameter]) -> CoreError {
    let known: Vec<&str> = parameters.iter().map(|p| p.name()).collect();
    CoreError::UnknownTensor {
        name: tensor.name.clone(),
        known: known.join(", "),
    }
}

/// The state read from a checkpoint of `hook` of `length` bytes; an error unless all bytes were
/// read.
pub(super) fn complete<T>(
    hook: &'static str,
    read: CoreResult<(T, usize)>,
    length: usize,
) -> CoreResult<T> {
    let damaged = |reason: String| Error::Checkpoint { hook, reason };
    let (state, used) = read.map_err(|e| damaged(e.to_string()))?;
    if used != length {
        return Err(damaged(format!("{} bytes too many", length - used)).into());
    }
    Ok(state)
}

/// Fails unless every tensor of a loaded mask has a mark for each of its values.
pub(super) fn check_mask(hook: &'static str, mask: &Mask) -> CoreResult<()> {
    for tensor in &mask.tensors {
        let values = tensor
            .shape
            .iter()
            .try_fold(1_usize, |n, &d| n.checked_mul(d));
        if values != Some(tensor.keep.len()) {
            let reason = format!(
                "{} has {} marks and shape {:?}",
                tensor.name,
                tensor.keep.len(),
                tensor.shape
            );
            return Err(Error::Checkpoint { hook, reason }.into());
        }
    }
    Ok(())
}
