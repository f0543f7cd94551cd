//! A model that is being trained, as hooks and criteria see it.

use std::sync::Arc;

use crate::kernels::sparse_layer::Live;
use crate::parameters::{Change, Parameters, See};
use crate::tensor::matrix_shape;
use crate::{Error, Result};

/// A model that is being trained: its parameters, and their gradients after a backward pass.
pub trait Gradients: Parameters {
    /// Lends the gradient of each parameter, under the parameter's name and in its shape, to read
    /// or change. Parameters without a gradient are left out.
    ///
    /// # Errors
    /// The first error of `change`, or that there are no gradients.
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()>;

    /// Shows the optimizer's second moments, the running means of squared gradients, under each
    /// parameter's name and in its shape. Nothing, where the optimizer keeps none.
    ///
    /// # Errors
    /// The first error of `see`.
    fn visit_second_moments(&self, see: &mut See<'_>) -> Result<()> {
        let _ = see;
        Ok(())
    }

    /// Is told which weights are live (not pruned), whenever that changes, and that all are before a
    /// step in which a hook reads the gradients of dead ones. The driver then sets the values of the
    /// others to zero. Returns whether the model itself keeps their values and
    /// gradients there; if not, the driver does so in every step.
    ///
    /// # Errors
    /// Where a set does not fit.
    fn hold(&mut self, live: &LiveSets) -> Result<bool> {
        let _ = live;
        Ok(false)
    }
}

/// The live (not pruned) weights of each pruned tensor, as matrices whose rows are everything but
/// the first axis. A tensor without an entry is not pruned.
#[derive(Clone, Debug, Default)]
pub struct LiveSets {
    entries: Vec<(String, Arc<Live>)>,
}

impl LiveSets {
    /// The live weights of a tensor; `None` where all of them are.
    pub fn of(&self, name: &str) -> Option<&Arc<Live>> {
        let found = self.entries.iter().find(|(known, _)| known == name);
        found.map(|(_, live)| live)
    }

    /// The names of the tensors that have an entry.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Whether nothing is pruned.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lets only the marked values of a tensor live; where it has marks already, those of both.
    ///
    /// # Errors
    /// Where there is not a mark for each value, or the tensor was marked in another shape.
    pub(crate) fn mark(&mut self, name: &str, shape: &[usize], keep: &[bool]) -> Result<()> {
        let (rows, columns) = matrix_shape(shape);
        let found = self.entries.iter_mut().find(|(known, _)| known == name);
        let mut marks = keep.to_vec();
        if let Some((_, earlier)) = &found {
            let (n, k) = earlier.dim();
            Error::check_shape(name, &[n, k], &[rows, columns])?;
            Error::check_shape(name, &[n * k], &[keep.len()])?;
            marks.fill(false);
            let positions = earlier.positions();
            positions.for_each(|position| marks[position] = keep[position]);
        }
        let live = Arc::new(Live::new(rows, columns, &marks)?);
        match found {
            Some((_, earlier)) => *earlier = live,
            None => self.entries.push((name.to_owned(), live)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
