//! A model under one mask after the other: measured, and put back bit by bit.

use compress_core::mask::{Mask, Scores, Structure, TensorMask, TensorScores};
use compress_core::parameters::Parameters;
use compress_core::{Error as CoreError, Result as CoreResult};

use crate::structure::check_scores;

/// The error of a model: anything that pruning makes worse, such as the loss on validation samples.
/// It must be finite for the model before pruning. For a pruned model, an error that is not finite,
/// or that fails with [`compress_core::Error::NonFinite`], rules the mask out.
pub type Measure<'f, M> = dyn FnMut(&M) -> CoreResult<f64> + 'f;

/// Tensors as they were, to be put back.
pub(super) struct Originals(Vec<(String, Vec<f32>)>);

impl Originals {
    /// Copies the tensors of these names.
    pub(super) fn of(
        model: &(impl Parameters + ?Sized),
        tensors: &[TensorScores],
    ) -> CoreResult<Self> {
        let mut originals = Vec::with_capacity(tensors.len());
        model.visit(&mut |tensor| {
            if tensors.iter().any(|scored| scored.name == tensor.name) {
                originals.push((tensor.name.to_owned(), tensor.values.to_vec()));
            }
            Ok(())
        })?;
        Ok(Originals(originals))
    }

    /// The error of `model` under `mask`, which covers none but these tensors; `None` where it is not
    /// finite. The model has its bits back afterwards, also after an error.
    pub(super) fn measure<M: Parameters + ?Sized>(
        &self,
        model: &mut M,
        mask: &Mask,
        measure: &mut Measure<'_, M>,
    ) -> CoreResult<Option<f64>> {
        let masked = mask.apply(model);
        let measured = masked.and_then(|()| measure(model));
        self.put_back(model)?;
        match measured {
            Ok(error) => Ok(Some(error).filter(|error| error.is_finite())),
            Err(CoreError::NonFinite { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put_back(&self, model: &mut (impl Parameters + ?Sized)) -> CoreResult<()> {
        model.visit_mut(&mut |tensor| {
            if let Some((name, values)) = self.0.iter().find(|(name, _)| name == tensor.name) {
                CoreError::check_shape(name, &[values.len()], &[tensor.values.len()])?;
                tensor.values.copy_from_slice(values);
            }
            Ok(())
        })
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
pub(super) fn alone(
    structure: &dyn Structure,
    tensor: &TensorScores,
    density: f64,
) -> CoreResult<TensorMask> {
    let scores = Scores {
        tensors: vec![tensor.clone()],
    };
    let mut mask = structure.mask(&scores, density)?;
    let what = format!("masks of {}", tensor.name);
    CoreError::check_shape(&what, &[1], &[mask.tensors.len()])?;
    Ok(mask.tensors.remove(0))
}

/// How many values of a tensor stay.
pub(super) fn kept(mask: &TensorMask) -> usize {
    mask.keep.iter().filter(|&&keep| keep).count()
}
