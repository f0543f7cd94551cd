//! What hooks read from a checkpoint.

use compress_core::mask::{Mask, TensorMask};
use compress_core::tensor::volume;
use compress_core::{Error as CoreError, Result as CoreResult};

use crate::Error;

/// The error for a checkpoint of `hook` that could not be read.
pub(super) fn damaged(hook: &'static str) -> impl FnOnce(CoreError) -> CoreError {
    move |error| {
        let reason = error.to_string();
        Error::Checkpoint { hook, reason }.into()
    }
}

/// Fails unless every tensor of a loaded mask has a mark for each of its values.
pub(super) fn check_mask(hook: &'static str, mask: &Mask) -> CoreResult<()> {
    let fits = |t: &TensorMask| volume(&t.shape) == t.keep.len();
    match mask.tensors.iter().find(|tensor| !fits(tensor)) {
        None => Ok(()),
        Some(tensor) => {
            let (name, marks, shape) = (&tensor.name, tensor.keep.len(), &tensor.shape);
            let reason = format!("{name} has {marks} marks and shape {shape:?}");
            Err(Error::Checkpoint { hook, reason }.into())
        }
    }
}
