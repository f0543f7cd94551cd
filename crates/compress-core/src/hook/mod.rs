//! Hooks that take part in training, and the driver that calls them around each step of any loop.

mod run;
#[cfg(test)]
mod tests;

pub use crate::gradients::{Gradients, LiveSets};
pub use run::Run;

use crate::Result;
use crate::mask::Mask;
use crate::parameters::Parameters;

/// How far a training run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Steps done before this one, over the whole run.
    pub step: usize,
    /// Steps that the whole run will take.
    pub total_steps: usize,
    /// The learning rate of this step.
    pub learning_rate: f32,
}

/// What a hook is given: the model, how far the run is, and which weights are live.
pub struct Training<'a> {
    /// The model.
    pub model: &'a mut dyn Gradients,
    /// The step that is being taken.
    pub step: Step,
    /// Which weights are live: not pruned by any hook of the run.
    pub live: &'a LiveSets,
}

/// The weights that a hook has pruned. The hook owns its mask; all else is derived from it.
#[derive(Clone, Copy, Debug)]
pub struct Pruned<'a> {
    /// The mask.
    pub mask: &'a Mask,
    /// Another number whenever the mask has changed.
    pub revision: u64,
}

/// A hook that takes part in training, such as a mask, fake quantization (QAT) or gradual pruning.
///
/// [`Run`] calls the hooks in their order before a forward pass and after a step. After a backward
/// pass it calls them in reverse order, so that what a hook swaps in before, it swaps out after.
/// The same holds around an evaluation.
pub trait TrainHook {
    /// Before the forward pass.
    ///
    /// # Errors
    /// Ends the run.
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// When the gradients are known and not yet applied.
    ///
    /// # Errors
    /// Ends the run.
    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// When the optimizer has changed the parameters.
    ///
    /// # Errors
    /// Ends the run.
    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        let _ = training;
        Ok(())
    }

    /// The weights to be held at zero, in values and gradients, until the mask changes.
    fn pruned(&self) -> Option<Pruned<'_>> {
        None
    }

    /// Whether the next backward pass must also compute the gradients of dead weights, for
    /// [`TrainHook::after_backward`] to read. Asked between two steps. Dead weights and, from the
    /// optimizer's step on, their gradients are zero as ever.
    fn needs_dead_gradients(&self) -> bool {
        false
    }

    /// Before the model is used as it will be shipped, as for a validation.
    ///
    /// # Errors
    /// Ends the run.
    fn before_evaluation(&mut self, model: &mut dyn Parameters, live: &LiveSets) -> Result<()> {
        let _ = (model, live);
        Ok(())
    }

    /// After that use, and where a step has failed; undoes what [`TrainHook::before_evaluation`]
    /// and [`TrainHook::before_forward`] have swapped in.
    ///
    /// # Errors
    /// Ends the run.
    fn after_evaluation(&mut self, model: &mut dyn Parameters) -> Result<()> {
        let _ = model;
        Ok(())
    }

    /// At the end of the run, after `steps` of `total_steps` steps. Leaves the model as it will be
    /// shipped.
    ///
    /// # Errors
    /// Where the hook has not reached what it promised, such as a density.
    fn finish(
        &mut self,
        model: &mut dyn Parameters,
        live: &LiveSets,
        steps: usize,
        total_steps: usize,
    ) -> Result<()> {
        let _ = (model, live, steps, total_steps);
        Ok(())
    }

    /// The state that a checkpoint must hold so that a resumed run continues to the same bits.
    ///
    /// # Errors
    /// Where there is no such state now.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Restores the state that [`TrainHook::save`] gave.
    ///
    /// # Errors
    /// Where it is damaged or of another hook.
    fn load(&mut self, state: &[u8]) -> Result<()> {
        let _ = state;
        Ok(())
    }
}
