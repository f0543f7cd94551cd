//! Whether a model still is the one that a hook was fitted to.

use compress_core::Result;
use compress_core::parameters::{self, Parameters};

use crate::Error;

/// Fails unless `model` has each of the tensors that were fitted to: their names and shapes.
pub(super) fn check_tensors<'a, P: Parameters + ?Sized>(
    model: &P,
    fitted: impl Iterator<Item = (&'a str, &'a [usize])>,
) -> Result<()> {
    for (name, shape) in fitted {
        parameters::with(model, name, |tensor| check_shape(name, shape, tensor.shape))?;
    }
    Ok(())
}

/// Fails where the tensor `name` has another shape than when it was fitted to.
pub(super) fn check_shape(name: &str, fitted: &[usize], found: &[usize]) -> Result<()> {
    if fitted == found {
        return Ok(());
    }
    Err(Error::ModelChanged {
        name: name.to_owned(),
        fitted: fitted.to_vec(),
        found: found.to_vec(),
    }
    .into())
}

/// Fails where a checkpoint has the state of another tensor than the one fitted to.
pub(super) fn check_saved(fitted: &str, saved: &str) -> Result<()> {
    if fitted == saved {
        return Ok(());
    }
    let (found, expected) = (format!("of {saved}"), format!("of {fitted}"));
    Err(compress_core::Error::invalid(
        "the saved state of a tensor",
        found,
        expected,
    ))
}

/// Fails while the model holds quantized weights.
pub(super) fn check_restored(swapped: bool) -> Result<()> {
    match swapped {
        true => Err(Error::Swapped.into()),
        false => Ok(()),
    }
}
