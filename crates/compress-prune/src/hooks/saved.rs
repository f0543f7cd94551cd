//! What hooks read from a checkpoint.

use compress_core::Result as CoreResult;
use compress_core::mask::Mask;

use crate::Error;

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
