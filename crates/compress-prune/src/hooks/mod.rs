//! Pruning as a training hook: a fixed mask, and a mask that tightens on a schedule (gradual
//! pruning).

mod behind;
mod gradual_pruning;
mod mask_hook;
mod saved;

pub use gradual_pruning::{GradualOptions, GradualPruning, Regrowth};
pub use mask_hook::MaskHook;
