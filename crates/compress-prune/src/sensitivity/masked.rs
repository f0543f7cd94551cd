//! A model under one mask after the other: measured, and put back bit by bit.

use compress_core::mask::{Mask, Scores, Structure, TensorMask, TensorScores};
use compress_core::parameters::{Kept, Parameters};
use compress_core::{Error as CoreError, Result as CoreResult};

use crate::structure::check_scores;

/// The error of a model: anything that pruning makes worse, such as the loss on validation samples.
/// It must be finite for the model before pruning. For a pruned model, an error that is not finite,
/// or that fails with [`compress_core::Error::NonFinite`], rules the mask out.
pub type Measure<'f, M> = dyn FnMut(&M) -> CoreResult<f64> + 'f;

/// Copies of the scored tensors.
pub(super) fn originals(
    model: &(impl Parameters + ?Sized),
    tensors: &[TensorScores],
) -> CoreResult<Kept> {
    let is_scored = |name: &str| tensors.iter().any(|scored| scored.name == name);
    Kept::of(model, |tensor| is_scored(tensor.name))
}

/// The error of `model` under `mask`, which covers none but the `originals`; `None` where it is not
/// finite. The model has its bits back afterwards, also after an error.
pub(super) fn error_under<M: Parameters + ?Sized>(
    mask: &Mask,
    model: &mut M,
    originals: &Kept,
    measure: &mut Measure<'_, M>,
) -> CoreResult<Option<f64>> {
    let masked = mask.apply(model);
    let measured = masked.and_then(|()| measure(model));
    originals.put_back(model)?;
    match measured {
        Ok(error) => Ok(Some(error).filter(|error| error.is_finite())),
        Err(CoreError::NonFinite { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fails where nothing is scored, a score cannot be ranked, or the scores do not fit `model`.
pub(super) fn check(model: &(impl Parameters + ?Sized), scores: &Scores) -> CoreResult<()> {
    if scores.tensors.is_empty() {
        return Err(CoreError::Empty {
            what: "the list of scored tensors".into(),
        });
    }
    check_scores(scores)?;
    let tensors = scores.tensors.iter().map(whole).collect();
    Mask { tensors }.check(model)
}

/// The error of the model as it is.
pub(super) fn base_error<M: ?Sized>(model: &M, measure: &mut Measure<'_, M>) -> CoreResult<f64> {
    let error = measure(model)?;
    match error.is_finite() {
        true => Ok(error),
        false => {
            let what = "the error of the model before pruning";
            Err(CoreError::invalid(what, error, "finite"))
        }
    }
}

/// The mask that keeps all of a tensor.
pub(super) fn whole(tensor: &TensorScores) -> TensorMask {
    TensorMask {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        keep: vec![true; tensor.values.len()],
    }
}

/// The mask of one tensor by its own scores.
///
/// # Errors
/// Those of the structure, and where it keeps the tensor whole at every density.
pub(super) fn alone(
    structure: &dyn Structure,
    tensor: &TensorScores,
    density: f64,
) -> CoreResult<TensorMask> {
    let scores = Scores {
        tensors: vec![tensor.clone()],
    };
    let mask_at = |density| -> CoreResult<TensorMask> {
        let mut mask = structure.mask(&scores, density)?;
        let what = format!("masks of {}", tensor.name);
        CoreError::check_shape(&what, &[1], &[mask.tensors.len()])?;
        Ok(mask.tensors.remove(0))
    };
    let is_whole = |mask: &TensorMask| !mask.keep.is_empty() && !mask.keep.contains(&false);
    let mask = mask_at(density)?;
    // Rounding may keep all as well, but not at the density 0.
    if density < 1.0 && is_whole(&mask) && mask_at(0.0).is_ok_and(|none| is_whole(&none)) {
        let what = format!("the structure that prunes {} alone", tensor.name);
        let expected = format!(
            "one that can prune it to the density {density}; this one keeps it whole at every \
             density (take a tensor that is to stay whole out of the scores)"
        );
        return Err(CoreError::invalid(what, structure.name(), expected));
    }
    Ok(mask)
}

/// How many values of a tensor stay.
pub(super) fn kept(mask: &TensorMask) -> usize {
    mask.keep.iter().filter(|&&keep| keep).count()
}
