//! Values of a model that are to be put back.

use super::{Parameters, unknown};
use crate::tensor::TensorRef;
use crate::{Error, Result};

/// Copies of tensors of a model, to put them back after a change for a while.
///
/// # Examples
/// ```
/// use compress_core::parameters::{Kept, Lent, values};
///
/// let mut weight = ndarray::array![1.0, 2.0];
/// let mut model = Lent::new().weight("w", weight.view_mut())?;
/// let kept = Kept::of(&model, |_| true)?;
/// compress_core::parameters::with_mut(&mut model, "w", |w| Ok(w.values.fill(0.0)))?;
/// kept.put_back(&mut model)?;
/// assert_eq!(values(&model, "w")?, [1.0, 2.0]);
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Kept(Vec<(String, Vec<f32>)>);

impl Kept {
    /// Copies the tensors of `model` that `which` chooses.
    ///
    /// # Errors
    /// Those of the model.
    pub fn of<P: Parameters + ?Sized>(
        model: &P,
        which: impl Fn(TensorRef<'_>) -> bool,
    ) -> Result<Self> {
        let mut kept = Vec::new();
        model.visit(&mut |tensor| {
            if which(tensor) {
                kept.push((tensor.name.to_owned(), tensor.values.to_vec()));
            }
            Ok(())
        })?;
        Ok(Kept(kept))
    }

    /// Gives these tensors of `model` their values again, bit by bit. Others stay as they are.
    ///
    /// # Errors
    /// Where the model has them no longer, in another order, or with another number of values; those of
    /// the model.
    pub fn put_back<P: Parameters + ?Sized>(&self, model: &mut P) -> Result<()> {
        let mut kept = self.0.iter().peekable();
        model.visit_mut(&mut |tensor| {
            if let Some((name, values)) = kept.next_if(|(name, _)| name == tensor.name) {
                Error::check_shape(name, &[values.len()], &[tensor.values.len()])?;
                tensor.values.copy_from_slice(values);
            }
            Ok(())
        })?;
        match kept.next() {
            None => Ok(()),
            Some((name, _)) => Err(unknown(model, name)),
        }
    }
}
