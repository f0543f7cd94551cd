//! Lottery tickets: the values of a model, to rewind surviving weights to.

use compress_core::mask::Mask;
use compress_core::ops::vector::zero_where;
use compress_core::parameters::{self, Parameters};
use compress_core::tensor::volume;
use compress_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The values of all tensors of a model at one time: at initialization, or some steps later
/// ([`crate::SnapshotHook`]).
///
/// With a mask, [`Snapshot::rewind`] makes of it a lottery ticket: weights that survive go back to
/// what they were, and the others to zero. One round of iterative magnitude pruning trains, prunes by
/// magnitude and rewinds; [`crate::Iterative::densities`] plans the rounds. To compare with a random
/// re-initialization, apply the mask ([`Mask::apply`]) to a fresh model.
///
/// # Examples
///
/// Three rounds, each from the initial values:
///
/// ```
/// use compress_core::train::Fit;
/// use compress_prune::{Global, Iterative, Known, Magnitude, MaskHook, Snapshot, Structure, score};
///
/// // Any `Fit`: a model and the way to train it.
/// let start = compress_testing::Chain::random(&[4, 8, 3], 1);
/// let data = compress_testing::blobs(64, 4, 3, 2);
///
/// let initial = Snapshot::of(&start)?;
/// let mut ticket = start;
/// let mut mask = compress_prune::Mask::default();
/// for density in (Iterative { rounds: 3 }).densities(1.0, 0.25)? {
///     // A new optimizer, as a new run has one.
///     let mut trainer = compress_testing::Sgd::new(ticket);
///     let mut hook = MaskHook::new(mask);
///     trainer.fit(&data, &compress_testing::CrossEntropy, &mut [&mut hook])?;
///     ticket = trainer.network;
///     // What is pruned is zero, so it stays pruned.
///     let scores = score(&ticket, &Magnitude, &Known::nothing())?;
///     mask = Global::default().mask(&scores, density)?;
///     initial.rewind(&mut ticket, &mask)?;
/// }
/// assert_eq!(mask.density(), 0.25);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Frankle and Carbin 2019 (1803.03635), section 1, "identifying winning tickets";
/// Frankle, Dziugaite, Roy, Carbin 2020 (1912.05671), section 2, for rewinding to an early step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    tensors: Vec<SavedTensor>,
}

/// The values of one tensor of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedTensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Snapshot {
    /// Takes the present values of all tensors: weights, biases and others.
    ///
    /// # Errors
    /// Those of the model, and where a tensor's values do not fit its shape.
    pub fn of(model: &(impl Parameters + ?Sized)) -> Result<Self> {
        let mut tensors = Vec::new();
        model.visit(&mut |tensor| {
            tensor.check()?;
            tensors.push(SavedTensor {
                name: tensor.name.to_owned(),
                shape: tensor.shape.to_vec(),
                values: tensor.values.to_vec(),
            });
            Ok(())
        })?;
        Ok(Snapshot { tensors })
    }

    /// Sets all tensors of `model` back to this snapshot, and the values that do not stay in `mask` to
    /// +0. A mask without tensors rewinds everything.
    ///
    /// # Errors
    /// Before anything is changed: where the snapshot has other tensors than the model, and as
    /// [`Mask::check`].
    pub fn rewind(&self, model: &mut (impl Parameters + ?Sized), mask: &Mask) -> Result<()> {
        self.check(model)?;
        mask.check(model)?;
        model.visit_mut(&mut |tensor| {
            if let Some(saved) = self.tensor(tensor.name) {
                tensor.values.copy_from_slice(&saved.values);
            }
            match mask.of(tensor.name) {
                Some(mask) => zero_where(tensor.values, &mask.keep),
                None => Ok(()),
            }
        })
    }

    fn tensor(&self, name: &str) -> Option<&SavedTensor> {
        self.tensors.iter().find(|saved| saved.name == name)
    }

    /// Fails unless the model has exactly the tensors of this snapshot.
    fn check(&self, model: &(impl Parameters + ?Sized)) -> Result<()> {
        let names = parameters::names(model)?;
        if let Some(saved) = self.tensors.iter().find(|s| !names.contains(&s.name)) {
            return Err(parameters::unknown(model, &saved.name));
        }
        model.visit(&mut |tensor| {
            let Some(saved) = self.tensor(tensor.name) else {
                let what = "a tensor of the model";
                return Err(Error::invalid(what, tensor.name, "one of the snapshot"));
            };
            Error::check_shape(tensor.name, &saved.shape, tensor.shape)?;
            // A snapshot that was read may be damaged.
            let count = [saved.values.len()];
            Error::check_shape(tensor.name, &[volume(&saved.shape)], &count)?;
            tensor.check()
        })
    }
}
